"""`python main.py` is the installed command `gantrain`."""

from gantrain.main import main

if __name__ == "__main__":
    raise SystemExit(main())
