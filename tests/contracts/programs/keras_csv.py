"""Keras with its CSVLogger; what it prints beside tells the same keys."""

import os

os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy
from logged import Truth

truth = Truth()


class Note(keras.callbacks.Callback):
    """Notes what Keras gives to all callbacks."""

    def on_epoch_end(self, epoch, logs=None):
        for key, number in logs.items():
            truth.log(key, epoch, float(number))

    def on_epoch_begin(self, epoch, logs=None):
        if epoch:
            truth.pause()


keras.utils.set_random_seed(0)
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
model.compile(optimizer="sgd", loss="mse", metrics=["mae"])
data = numpy.random.rand(64, 4), numpy.random.rand(64, 1)
callbacks = [keras.callbacks.CSVLogger("training_log.csv"), Note()]
model.fit(*data, validation_data=data, epochs=4, verbose=2, callbacks=callbacks)
truth.write()
