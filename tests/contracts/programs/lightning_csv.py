"""Lightning with its CSVLogger, a column of which appears late."""

import lightning
import torch
from lightning.pytorch.loggers import CSVLogger
from logged import Truth

truth = Truth()


class Module(lightning.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.inner = torch.nn.Linear(4, 1)
        self.save_hyperparameters({"lr": 0.125})

    def training_step(self, batch: list[torch.Tensor], index: int) -> torch.Tensor:
        loss = self.inner(batch[0]).pow(2).mean()
        self.log("loss", loss)
        if self.global_step % 5 == 4:
            truth.log("loss", self.global_step, float(loss))
        return loss

    def validation_step(self, batch: list[torch.Tensor], index: int) -> None:
        self.log("val_loss", self.inner(batch[0]).abs().mean())

    def on_validation_epoch_end(self) -> None:
        if not self.trainer.sanity_checking:
            truth.log("val_loss", self.global_step - 1, float(self.trainer.callback_metrics["val_loss"]))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.125)

    def on_train_epoch_end(self) -> None:
        truth.pause()


torch.manual_seed(0)
loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.rand(40, 4)), batch_size=2)
trainer = lightning.Trainer(
    accelerator="cpu", max_epochs=3, log_every_n_steps=5, enable_progress_bar=False, enable_checkpointing=False,
    logger=CSVLogger(".", flush_logs_every_n_steps=5),
)  # fmt: skip
trainer.fit(Module(), loader, loader)
truth.write()
