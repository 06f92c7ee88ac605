from support.tool_calls import Session
from workbench.protocol.blocks import Todo, Todos
from workbench.tools import registry


def test_the_list_is_kept_shown_and_counted(tmp_path):
    session = Session(tmp_path)
    items = [
        {"content": "Run the baseline", "status": "completed", "activeForm": "Running the baseline"},
        {"content": "Find the bug", "status": "in_progress", "activeForm": "Finding the bug"},
        {"content": "Report", "status": "pending", "id": "3", "priority": "high"},
    ]
    outcome = session.call("TodoWrite", todos=items)
    todos = (
        Todo(content="Run the baseline", status="completed", active_form="Running the baseline"),
        Todo(content="Find the bug", status="in_progress", active_form="Finding the bug"),
        Todo(content="Report"),
    )
    assert outcome.todos == session.context.todos == todos
    assert outcome.display == [Todos(todos=todos)]
    assert outcome.summary == "1 done, 1 in progress, 1 open"
    tool = registry.get("TodoWrite")
    assert tool.target(registry.decode(tool, {"todos": items})) == "Finding the bug"


def test_an_empty_list_clears_and_a_wrong_one_changes_nothing(tmp_path):
    session = Session(tmp_path)
    session.call("TodoWrite", todos=[{"content": "x", "status": "pending"}])
    assert "takes one of" in session.error("TodoWrite", todos=[{"content": "y", "status": "started"}])
    assert "not empty" in session.error("TodoWrite", todos=[{"content": "", "status": "pending"}])
    assert session.context.todos == (Todo(content="x"),)
    assert session.text("TodoWrite", todos=[]) == "The list is empty now."
    assert session.context.todos == ()
