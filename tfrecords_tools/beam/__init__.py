"""The recipe as an Apache Beam pipeline, for text that is too much for one machine."""
