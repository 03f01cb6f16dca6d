"""Tables as people have them, read: text of any kind, arrays, DataFrames."""
