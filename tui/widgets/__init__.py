"""The panels of the screen: each file draws one, `panel` puts a drawing on the terminal."""
