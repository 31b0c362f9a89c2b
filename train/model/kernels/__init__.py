"""Parts of a transformer layer over a frozen base, each with its backward pass in few operations."""
