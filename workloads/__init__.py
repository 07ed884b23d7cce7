"""Models, tracing and quantization: what the accelerator is asked to run."""
