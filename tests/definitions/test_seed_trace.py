"""Every heading and field of the two ml-engineer definitions that this program exists for, and what honours it.

A heading is honoured by words that the shipped prompt has, by a mechanism (`module:attribute`), or by both.
"""

import importlib
import re

import pytest

from workbench import resources
from workbench.definitions.loader import load, loads

SHIPPED = load(resources.folder("agents") / "ml-engineer.md", "shipped")

BOUNDARY = "@workbench.protocol.names:ORCHESTRATION"
EXIT = "@workbench.protocol.events:BoundaryCrossed"
ASKS = "@workbench.protocol.events:QuestionsAsked"

# The definition about operations: heading -> words of the prompt, or `@module:attribute`.
OPERATIONS = {
    "SYSTEM BOUNDARY": (BOUNDARY, EXIT, "cannot call them"),
    "ML Engineer": ("# ML engineer",),
    "Working with Claude Orchestration Engine": (BOUNDARY, "hand over", "acceptance check"),
    "Identity": ("machine-learning work", "production", "reproduced"),
    "Core Expertise Areas": ("## Training", "## Evaluation", "## Inference and serving", "## Operation"),
    "Model Development & Architecture": (
        "smallest architecture",
        "boosted trees",
        "quantise",
        "distil",
        "prune",
        "Multimodal",
    ),
    "MLOps & Infrastructure": ("tracker in use", "registry", "CI/CD", "drift", "rollback", "data versioning"),
    "Feature Engineering & Data": (
        "feature store",
        "point-in-time",
        "Streams",
        "Embeddings",
        "missing values",
        "outliers",
    ),
    "Model Serving & Optimization": (
        "Load-test",
        "Edge",
        "model parallelism",
        "caching",
        "batch dynamically",
        "p50/p95/p99",
    ),
    "Specialized Domains": ("LLM", "Vision", "Recommendation", "Time series", "Reinforcement learning"),
    "Technical Standards": ("## Code", "## Security, privacy, law"),
    "Code Quality": ("Typed, documented Python", "small modules", "configuration in files", "tests of transforms"),
    "Model Development": ("by time where time matters", "95% interval", "model card", "failure modes", "Fairness"),
    "Performance & Scalability": (
        "Profile before optimising",
        "utilisation",
        "prefetching",
        "scaling efficiency",
        "cost",
    ),
    "Security & Compliance": ("adversarial", "differential privacy", "audit trail", "Least access", "regulation"),
    "Problem-Solving Approach": ("## Before code", "cheapest experiment"),
    "Requirements Analysis": (
        "decision the model serves",
        "label balance and origin",
        "targets",
        "buying",
        "assumptions",
    ),
    "Solution Design": ("two or three approaches", "cheapest experiment", "diagram of the data flow", "upkeep"),
    "Implementation Strategy": ("First a baseline", "small modules", "runbook", "canary"),
    "Validation & Testing": ("A/B test", "Behaviour tests", "invariance", "out-of-range"),
    "Communication Style": ("## Report",),
    "Technical Leadership": ("note the decision", "diagram", "options with cost and risk", "recommendation"),
    "Stakeholder Communication": ("what it means for the business", "95% interval", "mitigation", "dashboard"),
    "Knowledge Sharing": ("README and runbook", "module with an example"),
    "Tools and Technologies": ("The repository's frameworks",),
    "ML Frameworks": ("The repository's frameworks", "pretrained backbone"),
    "Infrastructure & Ops": ("FSDP, ZeRO", "Triton", "MLflow", "W&B", "`nvidia-smi`"),
    "Data & Features": ("Pandas or Polars", "Spark", "feature store", "event time"),
    "Execution Protocol": ("## Before code", "## Report"),
    "Project Initiation": ("Look first", "targets", "tracker in use", "diagram of the data flow"),
    "Development Workflow": ("Check schema", "First a baseline", "One change at a time", "tests of data and features"),
    "Production Deployment": ("pinned dependencies", "rollback", "Each alert has a runbook", "canary"),
    "Continuous Improvement": ("Monitor drift", "Retrain on a trigger", "A/B test", "cost", "retire what nobody calls"),
    "Independent Operation": ("do what does not depend on the answer", "from a wish to a model in production"),
}
# The definition about training.
TRAINING = {
    "ML Engineer": ("# ML engineer",),
    "Identity": ("runs that others can repeat", "production"),
    "Core Capabilities": ("ONNX", "TensorRT", "LoRA", "RAG", "MLflow", "Polars", "canary", "hyperparameters", "distil"),
    "Thinking Level: MEGATHINK (10,000 tokens)": (
        "@workbench.models.thinking:thinking_params",
        "loss, gradients",
        "quality, latency and cost pull apart",
        "Ablate",
    ),
    "When to Engage": ("@workbench.definitions.discovery:find",),
    "When NOT to Engage": ("data-engineer", "backend-engineer", "devops", "dashboards"),
    "Coordination": (ASKS, "feature", "exceeds the budget", "What a person decides", "end with a brief"),
    "SYSTEM BOUNDARY": (BOUNDARY, EXIT, "cannot call them"),
}
# Fields of both: what a definition with the field comes to, by the public attribute that holds it.
FIELDS = {
    "name": ("name", "ml-engineer", "ml-engineer"),
    "description": ("description", "MUST BE USED for training", "MUST BE USED for training"),
    "tools": ("grants", "Read, Grep", {"Read": (), "Grep": ()}),
    "model": ("model", "sonnet", "sonnet"),
    "thinking-level": ("thinking_level", "megathink", "megathink"),
    "thinking-tokens": ("thinking_tokens", "10000", 10_000),
    "permissionMode": ("permission_mode", "acceptEdits", "acceptEdits"),
    "color": ("color", "cyan", "cyan"),
    "category": ("category", "development", "development"),
}


@pytest.mark.parametrize(
    ("heading", "honoured"),
    [*OPERATIONS.items(), *TRAINING.items()],
    ids=[*(f"operations: {heading}" for heading in OPERATIONS), *(f"training: {heading}" for heading in TRAINING)],
)
def test_each_heading_is_honoured(heading: str, honoured: tuple[str, ...]):
    assert honoured
    text = f"{SHIPPED.description}\n{SHIPPED.prompt}"
    for what in honoured:
        if what.startswith("@"):
            module, _, attribute = what[1:].partition(":")
            assert getattr(importlib.import_module(module), attribute)
        else:
            assert what in text, f"{heading}: the prompt says nothing of {what!r}"


@pytest.mark.parametrize("field", FIELDS)
def test_each_field_is_read_to_what_acts_on_it(field: str):
    attribute, written, held = FIELDS[field]
    values = {"name": "x", "description": "y", field: written}
    lines = "".join(f"{key}: {value}\n" for key, value in values.items())
    one = loads(f"---\n{lines}---\nWork.\n".encode(), "a.md", "workspace")
    assert getattr(one, attribute) == held
    assert one.problems == ()


def test_the_boundary_holds_for_every_shipped_tool_list():
    for path in resources.folder("agents").iterdir():
        assert not {"Task", "Agent"} & set(load(path, "shipped").grants)


def test_triggers_for_training_and_operations_are_in_the_description():
    for word in ("ml", "training", "fine-tune", "pytorch", "inference", "hugging face", "serving", "pipelines"):
        assert re.search(rf"\b{word}\b", SHIPPED.description)
