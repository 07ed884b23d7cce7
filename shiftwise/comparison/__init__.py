"""Design points side by side: which are compared, what each loses in accuracy and costs, and what follows."""
