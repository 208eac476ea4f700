"""The demo's story, step by step, and the stage on which it plays."""
