"""velobuild.toml and the environment → a frozen configuration."""
