"""Drop-in faces: the daemon answers as ZarinPal v4 and as Zibal v1 do, for shops that already speak to those."""
