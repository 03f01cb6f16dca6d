"""Files of other libraries that hold a network: one module per format, and the form that all of them build."""
