"""Train the embedded model: a byte-level Llama on the text of Python's standard library.

    python -m workloads.train_tiny --steps 1600 --out workloads/data/tiny-stdlib

The corpus is every ``*.py`` file of the running interpreter's standard library. A file is held out when
the SHA-256 of its path, taken relative to the library's folder, starts with a byte below 13 (about 5 %).
Seeds are fixed; the result depends on the interpreter's version, the torch version and the CPU's kernels,
so what the run measured is written to ``metadata.json`` beside the weights.
"""

import hashlib
import json
import math
import platform
import sysconfig
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from transformers import LlamaConfig, LlamaForCausalLM

SEED = 20261122
CONTEXT = 512
BATCH = 16
HELD_OUT_BYTE = 13
EXCERPT_FILES = 32
EXCERPT_BYTES = 2048

CONFIG = LlamaConfig(
    vocab_size=256,
    hidden_size=256,
    intermediate_size=704,
    num_hidden_layers=5,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=1024,
    tie_word_embeddings=True,
    bos_token_id=None,
    eos_token_id=None,
    pad_token_id=None,
)


def read_files() -> tuple[list[bytes], list[bytes]]:
    """The standard library's files as (training, held-out), in the order of their paths."""
    root = Path(sysconfig.get_paths()["stdlib"])
    parts: tuple[list[bytes], list[bytes]] = ([], [])
    for path in sorted(root.rglob("*.py")):
        name = path.relative_to(root).as_posix()
        if "site-packages" not in name:
            held_out = hashlib.sha256(name.encode()).digest()[0] < HELD_OUT_BYTE
            parts[held_out].append(path.read_bytes())
    return parts


def excerpt(held_out: list[bytes]) -> bytes:
    """The middle of every so many held-out files that are long enough: the text that travels with the model."""
    long_enough = [text for text in held_out if len(text) >= 2 * EXCERPT_BYTES]
    chosen = long_enough[:: len(long_enough) // EXCERPT_FILES][:EXCERPT_FILES]
    return b"".join(text[(len(text) - EXCERPT_BYTES) // 2 :][:EXCERPT_BYTES] for text in chosen)


def bits_per_byte(model: LlamaForCausalLM, text: bytes, stride: int = CONTEXT) -> float:
    """Mean cross entropy [bit/byte] over consecutive windows of ``stride`` bytes, each begun afresh."""
    count = (len(text) - 1) // stride
    data = torch.frombuffer(bytearray(text), dtype=torch.uint8).long()
    total = 0.0
    with torch.inference_mode():
        for start in range(0, count, BATCH):
            rows = range(start, min(start + BATCH, count))
            windows = torch.stack([data[r * stride : (r + 1) * stride + 1] for r in rows])
            logits = model(windows[:, :-1]).logits.float()
            loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), windows[:, 1:].flatten(), reduction="sum")
            total += loss.item()
    return total / (count * stride * math.log(2))


def optimizers(model: LlamaForCausalLM) -> list[torch.optim.Optimizer]:
    """Muon for the hidden matrices, AdamW for embeddings and norms, as Muon's authors recommend."""
    hidden = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n]
    other = [p for n, p in model.named_parameters() if p.ndim != 2 or "embed" in n]
    return [
        torch.optim.Muon(hidden, lr=0.01, momentum=0.95, weight_decay=0.05, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(other, lr=0.006, betas=(0.9, 0.95), weight_decay=0.0),
    ]


def learning_rate(step: int, steps: int) -> float:
    """Warm-up over 100 steps, constant, then linear to zero over the last 40 %."""
    return min(1.0, (step + 1) / 100, (steps - step) / (0.4 * steps))


def sample_batch(data: NDArray[np.uint8], rng: np.random.Generator) -> torch.Tensor:
    """Random windows ``[BATCH, CONTEXT + 1]`` of the text."""
    starts = rng.integers(0, len(data) - CONTEXT - 1, size=BATCH)
    return torch.from_numpy(np.stack([data[s : s + CONTEXT + 1] for s in starts]).astype(np.int64))


def train(steps: int, training: bytes, held_out: bytes) -> LlamaForCausalLM:
    """The model after ``steps`` steps; progress and the held-out loss of a short excerpt are printed."""
    torch.manual_seed(SEED)
    rng = np.random.default_rng(SEED)
    model = LlamaForCausalLM(CONFIG)
    data = np.frombuffer(training, dtype=np.uint8)
    opts = optimizers(model)
    base_rates = [opt.param_groups[0]["lr"] for opt in opts]
    began = time.monotonic()
    for step in range(steps):
        for opt, rate in zip(opts, base_rates, strict=True):
            opt.param_groups[0]["lr"] = rate * learning_rate(step, steps)
        batch = sample_batch(data, rng)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = model(batch[:, :-1]).logits
        loss = torch.nn.functional.cross_entropy(logits.float().flatten(0, 1), batch[:, 1:].flatten())
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for opt in opts:
            opt.step()
            opt.zero_grad(set_to_none=True)
        if step % 100 == 0 or step == steps - 1:
            probe = bits_per_byte(model, held_out[: 1 << 15])
            minutes = (time.monotonic() - began) / 60
            print(
                f"step {step} loss {loss.item() / math.log(2):.3f} held-out {probe:.3f} bit/byte {minutes:.1f} min", flush=True
            )
    return model


def main(steps: Annotated[int, typer.Option()], out: Annotated[Path, typer.Option()]) -> None:
    """Train, then write config, fp16 weights, an excerpt of the held-out text and what was measured."""
    training_files, held_out_files = read_files()
    training, held_out = b"\n".join(training_files), b"\n".join(held_out_files)
    model = train(steps, training, held_out).half()
    model.save_pretrained(out)
    model.float()
    (out / "heldout.txt").write_bytes(excerpt(held_out_files))
    metadata = {
        "parameters": sum(p.numel() for p in model.parameters()),
        "corpus": f"Python {platform.python_version()} standard library, *.py",
        "training_bytes": len(training),
        "held_out_bytes": len(held_out),
        "held_out_bits_per_byte": round(bits_per_byte(model, held_out), 4),
        "excerpt_bits_per_byte": round(bits_per_byte(model, excerpt(held_out_files)), 4),
        "steps": steps,
        "bytes_seen": steps * BATCH * CONTEXT,
        "seed": SEED,
        "torch": torch.__version__,
        "command": f"python -m workloads.train_tiny --steps {steps} --out {out}",
    }
    (out / "metadata.json").write_text(json.dumps(metadata, indent=2) + "\n")
    print(json.dumps(metadata, indent=2))


if __name__ == "__main__":
    typer.run(main)
