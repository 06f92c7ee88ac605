"""A Hugging Face Trainer that saves checkpoints."""

import torch
from logged import Truth
from transformers import Trainer, TrainerCallback, TrainingArguments

truth = Truth()


class Model(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = torch.nn.Linear(4, 1)

    def forward(self, x: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"loss": ((self.inner(x) - labels) ** 2).mean()}


class Note(TrainerCallback):
    def on_log(self, args, state, control, logs=None, **_):
        for key, number in state.log_history[-1].items():
            if key != "step":
                truth.log(key, state.log_history[-1]["step"], number)

    def on_save(self, args, state, control, **_):
        truth.pause()


torch.manual_seed(0)
data = [{"x": torch.rand(4), "labels": torch.rand(1)} for _ in range(64)]
arguments = TrainingArguments(
    "out", max_steps=24, logging_steps=2, save_steps=8, report_to=[], per_device_train_batch_size=4, use_cpu=True
)
trainer = Trainer(Model(), arguments, train_dataset=data, callbacks=[Note()])
trainer.train()
trainer.save_state()
truth.write()
