from workbench.session.run_changes import RunDifferences
from workbench.session.run_table import RunTable


def since(table: RunTable, differences: RunDifferences, after: float) -> tuple[str, ...]:
    return ()
