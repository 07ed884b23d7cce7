"""What the compiler knows of a model: a decoder's sizes, and what is between its matrix products."""

from dataclasses import dataclass

from sim.errors import InputError, choose, demand

ACTIVATIONS = ("silu", "gelu", "gelu_tanh", "relu")

PRODUCTS = ("query", "key", "value", "output", "gate", "up", "down", "head")
"""Products with stored weights of a layer, in order, and of the head."""

NORMS = ("rms_norm", "layer_norm")


@dataclass(frozen=True)
class Decoder:
    """A decoder of ``layers`` alike: norm, attention, residual, norm, feed-forward, residual; a norm and the head at the end.

    ``heads`` of queries share ``kv_heads`` of keys and values of ``head_dim`` numbers. ``gated`` feed-forward networks multiply
    the activation function of one product by another one's. ``rotary``: queries and keys are turned by their position.
    ``biases``: names of the products that add one. Raises ``InputError`` for sizes that do not go together.
    """

    name: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    vocabulary: int
    context: int
    norm: str = "rms_norm"
    epsilon: float = 1e-5
    activation: str = "silu"
    gated: bool = True
    rotary: bool = True
    biases: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        sizes = ("layers", "hidden", "heads", "kv_heads", "head_dim", "intermediate", "vocabulary", "context")
        for name in sizes:
            demand(f"{name} of a decoder", getattr(self, name), int)
            if getattr(self, name) < 1:
                raise InputError(f"{name} of a decoder is at least 1, not {getattr(self, name)}")
        if self.heads % self.kv_heads:
            raise InputError(f"heads of a decoder are a multiple of its {self.kv_heads} kv_heads, not {self.heads}")
        if self.rotary and self.head_dim % 2:
            raise InputError(f"head_dim of a rotary decoder is even, not {self.head_dim}")
        choose("norm of a decoder", self.norm, dict.fromkeys(NORMS, self.norm))
        choose("activation of a decoder", self.activation, dict.fromkeys(ACTIVATIONS, self.activation))
        for bias in self.biases:
            choose("product of a decoder", bias, self.products)

    @property
    def products(self) -> dict[str, tuple[int, int]]:
        """Sizes ``(k, n)`` of the products with stored weights of a layer, in order, and of the head."""
        inner, cached = self.heads * self.head_dim, self.kv_heads * self.head_dim
        gate = {"gate": (self.hidden, self.intermediate)} if self.gated else {}
        return {
            "query": (self.hidden, inner),
            "key": (self.hidden, cached),
            "value": (self.hidden, cached),
            "output": (inner, self.hidden),
            **gate,
            "up": (self.hidden, self.intermediate),
            "down": (self.intermediate, self.hidden),
            "head": (self.hidden, self.vocabulary),
        }

    @property
    def queries(self) -> int:
        """Heads of queries that share a head of keys and values."""
        return self.heads // self.kv_heads
