"""The model: number formats, design points, processing elements, exact kernels, arrays, memory, schedule."""
