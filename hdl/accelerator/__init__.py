"""The whole accelerator as hardware: buffers filled by streams, a tile controller, the array, results streamed out."""
