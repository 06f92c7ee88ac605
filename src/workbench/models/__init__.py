"""Where answers come from: the SDK, a recording; and the catalogue of models."""
