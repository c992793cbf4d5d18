// X: a placeholder until the engine's tests land.
