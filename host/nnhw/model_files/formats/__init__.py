"""The model files of other libraries: what each tells, layer by layer."""
