"""What an exported model is worth and costs: accuracy, cycles, heap, whether it fits a board."""
