"""A network by the overlay's own instructions: programs that the compiler writes, run by the interpreter on bytes."""

from torch import Tensor
from transformers import PreTrainedModel

from sim.overlay import special
from sim.overlay.interpreter import Inference
from workloads.overlay.forward import OverlayNetwork
from workloads.overlay.hardware import OverlayHardware
from workloads.overlay.parameters import parameters_of, rows_of

Halves = special.Halves


class Session:
    """One sequence of at most ``context`` tokens (default: the decoder's).

    Its logits are those of :func:`workloads.overlay.forward.overlay_logits`, bit for bit; a recipe that looks at activations is
    one of ``hardware.calibrate``, for here there are none. Raises ``InputError`` for a network
    of another family, weights that an overlay does not have, and where its memory or buffers are too small.
    """

    def __init__(self, network: PreTrainedModel, hardware: OverlayHardware, context: int | None = None) -> None:
        self._on_overlay = OverlayNetwork(network, hardware)
        parameters = parameters_of(self._on_overlay)
        self.inference = Inference(self._on_overlay.decoder, hardware.overlay, parameters, context)

    def append(self, tokens: Tensor) -> Halves:
        """Logits ``[vocabulary]`` of the last of more ``tokens [tokens]``, one or many.

        Raises ``InputError`` for more tokens than the context, and numbers that fp16 does not hold.
        """
        return self.inference.append(rows_of(self._on_overlay, tokens, self.inference.length))
