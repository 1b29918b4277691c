"""Modules of a recipe's folder local/, which is no package."""

import importlib
import sys
from pathlib import Path

EGS = Path(__file__).resolve().parents[2] / "egs"


def load_local(recipe, *names):
    """The modules egs/RECIPE/local/NAME.py; those that they import from beside them are found, too.

    They are taken out of `sys.modules` again, since other recipes have modules of the same names.
    """
    folder = str(EGS / recipe / "local")
    beside = {path.stem for path in Path(folder).glob("*.py")}
    sys.path.insert(0, folder)
    hidden = {name: sys.modules.pop(name) for name in beside if name in sys.modules}
    try:
        return [importlib.import_module(name) for name in names]
    finally:
        sys.path.remove(folder)
        for name in beside:
            sys.modules.pop(name, None)
        sys.modules.update(hidden)
