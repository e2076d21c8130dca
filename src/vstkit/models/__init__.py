"""Vision-language models: chat encoding without torch, loading and generation with it."""
