"""One page about an exported model."""
