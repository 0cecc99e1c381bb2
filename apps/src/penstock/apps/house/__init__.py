"""The house: theme, figures and components that both apps wear."""
