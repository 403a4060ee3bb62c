"""The process beside ours: the SDK's CLI, the thread that owns it, its folders and environment, and how it ends."""
