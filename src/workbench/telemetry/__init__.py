"""GPU and host figures: one sampler, whoever looks."""
