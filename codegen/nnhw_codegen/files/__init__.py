"""The binary files of models: .nnb and .nnt."""
