"""`python -m fake_aws.drift`: the contract of every answered operation, to be compared around a new botocore."""

from __future__ import annotations

import json
from typing import Any

from botocore.model import Shape

from . import services
from .models import service
from .registry import HANDLERS

_KEPT = ("required", "enum", "pattern", "min", "max")


def contract() -> dict[str, Any]:
    """Route, shapes and errors by operation, without the prose."""
    services.load()
    found = {}
    for name, operation in sorted(HANDLERS):
        model = service(name).operation(operation)
        found[f"{name}:{operation}"] = {
            "http": dict(model.http),
            "input": _outline(model.input_shape, ()),
            "output": _outline(model.output_shape, ()),
            "errors": sorted(shape.name for shape in model.error_shapes),
        }
    return found


def _outline(shape: Shape | None, above: tuple[str, ...]) -> Any:
    if shape is None:
        return None
    if shape.name in above:
        return f"see {shape.name}"
    above = (*above, shape.name)
    outline: dict[str, Any] = {"type": shape.type_name}
    outline |= {key: shape._shape_model[key] for key in _KEPT if key in shape._shape_model}
    outline |= {key: shape.serialization[key] for key in ("location", "name") if key in shape.serialization}
    if shape.type_name == "structure":
        outline["members"] = {name: _outline(member, above) for name, member in shape.members.items()}
    elif shape.type_name == "list":
        outline["member"] = _outline(shape.member, above)
    elif shape.type_name == "map":
        outline["key"], outline["value"] = _outline(shape.key, above), _outline(shape.value, above)
    return outline


if __name__ == "__main__":
    print(json.dumps(contract(), indent=1, sort_keys=True))
