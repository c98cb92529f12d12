"""Reads the YAML files into models; every error names file, key, and the nearest valid one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from basis_pipeline.config.models import ModeFile
from basis_pipeline.config.signal_models import SignalModelFile
from basis_pipeline.config.spelling import nearest
from basis_pipeline.config.sweeps import SweepFile
from basis_pipeline.config.venue_models import ShareClassFile, VenueFile
from basis_pipeline.domain.errors import ConfigError

M = TypeVar("M", bound=BaseModel)


class ConfigFolder:
    """The folder that holds venues/, share_classes/, modes/ and models/."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if not (path / "modes").is_dir():
            raise ConfigError(
                f"{path} holds no modes/ folder.", remedy="set BASIS_CONFIG_DIR to the folder with the YAML files."
            )

    def modes(self) -> list[str]:
        """Names of all modes that have a file, sorted."""
        return sorted(file.stem for file in (self.path / "modes").glob("*.yaml"))

    def mode(self, name: str, overrides: Mapping[str, Any] | None = None) -> ModeFile:
        """The mode's file with `overrides` (dotted key -> value) on top."""
        file = self._file("modes", name)
        content = _merge(_read(file), overrides or {}, file)
        mode = _validate(ModeFile, content, file)
        if mode.mode != file.stem:
            raise ConfigError(f"{file}: key `mode` says {mode.mode!r}, the file is named {file.stem!r}.")
        return mode

    def venue(self, name: str, overrides: Mapping[str, Any] | None = None) -> VenueFile:
        """The venue's file with a mode's overrides (nested, as under `venues:`) on top."""
        file = self._file("venues", name)
        content = _merge(_read(file), _flatten(overrides or {}), file)
        venue = _validate(VenueFile, content, file)
        if venue.name != file.stem:
            raise ConfigError(f"{file}: key `name` says {venue.name!r}, the file is named {file.stem!r}.")
        foreign = [i.key for i in venue.instruments if not i.key.startswith(f"{name}:")]
        if foreign and venue.kind != "wallet":
            raise ConfigError(f"{file}: instruments {', '.join(foreign)} belong to another venue.")
        return venue

    def share_class(self, name: str) -> ShareClassFile:
        file = self._file("share_classes", name.lower())
        return _validate(ShareClassFile, _read(file), file)

    def sweeps(self) -> list[str]:
        """Names of all sweeps that have a file, sorted."""
        return sorted(file.stem for file in (self.path / "sweeps").glob("*.yaml"))

    def sweep(self, name: str) -> SweepFile:
        file = self._file("sweeps", name)
        sweep = read_sweep(file)
        if sweep.sweep != file.stem:
            raise ConfigError(f"{file}: key `sweep` says {sweep.sweep!r}, the file is named {file.stem!r}.")
        return sweep

    def optional(self, name: str, model: type[M]) -> M:
        """The file `name` of this folder itself, or the defaults of its model where there is none."""
        file = self.path / name
        return _validate(model, _read(file), file) if file.is_file() else model()

    def signal_models(self) -> list[str]:
        """Names of all models that are trained here, sorted."""
        return sorted(file.stem for file in (self.path / "models").glob("*.yaml"))

    def signal_model(self, name: str) -> SignalModelFile:
        file = self._file("models", name)
        model = _validate(SignalModelFile, _read(file), file)
        if model.name != file.stem:
            raise ConfigError(f"{file}: key `name` says {model.name!r}, the file is named {file.stem!r}.")
        return model

    def _file(self, folder: str, name: str) -> Path:
        file = self.path / folder / f"{name}.yaml"
        if not file.is_file():
            known = sorted(path.stem for path in (self.path / folder).glob("*.yaml"))
            raise ConfigError(
                f"there is no file {name}.yaml in {file.parent}.",
                remedy=nearest(name, known),
            )
        return file


def read_model(model: type[M], file: Path) -> M:
    """The content of one YAML file, validated; ConfigError names file and key."""
    return _validate(model, _read(file), file)


def read_sweep(file: Path) -> SweepFile:
    """A sweep from a file anywhere; ConfigError names file and key of whatever is wrong."""
    return _validate(SweepFile, _read(file), file)


def typed_sweep(content: Mapping[str, Any]) -> SweepFile:
    """A sweep typed on the command line or in the Launchpad, held to the same rules."""
    return _validate(SweepFile, dict(content), Path("this sweep"))


def parse_overrides(pairs: Iterable[str], what: str = "override") -> dict[str, Any]:
    """`key=value` texts to {dotted key: value}; values are read as YAML, so numbers, lists and maps work."""
    overrides = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            raise ConfigError(f"{what} {pair!r} is not of the form key=value.")
        try:
            overrides[key.strip()] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise ConfigError(f"the value of {what} {pair!r} is not readable: {error}.") from error
    return overrides


class _UniqueKeys(yaml.SafeLoader):
    """YAML keeps the last of two equal keys without a word; here that is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} is there twice", node.start_mark)
        return super().construct_mapping(node, deep)


def _read(file: Path) -> dict[str, Any]:
    try:
        content = deepcopy(_parsed(file.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{file} is not readable: {str(error).replace(chr(10), ' ')}.") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{file} is not a map of keys to values.")
    return content


@lru_cache(maxsize=256)
def _parsed(text: str) -> object:
    """What a text says. Remembered, because every mode reads the files of its venues again; nobody may write to it."""
    return yaml.load(text, Loader=_UniqueKeys)  # noqa: S506 - a SafeLoader


def _merge(content: dict[str, Any], overrides: Mapping[str, Any], file: Path) -> dict[str, Any]:
    """Set dotted keys in a copy of `content`; a key below something that is no map is an error."""
    merged: dict[str, Any] = _copy(content)
    for dotted, value in overrides.items():
        *path, last = dotted.split(".")
        node = merged
        for depth, part in enumerate(path):
            node = node.setdefault(part, {})
            if not isinstance(node, dict):
                raise ConfigError(
                    f"{file}: override {dotted!r}: {'.'.join(path[: depth + 1])} holds a value, not keys."
                )
        node[last] = value
    return merged


def _copy(node: Any) -> Any:
    return {key: _copy(value) for key, value in node.items()} if isinstance(node, dict) else node


def _flatten(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        if isinstance(value, dict) and value and not all(isinstance(inner, int) for inner in value):
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _validate(model: type[M], content: dict[str, Any], file: Path) -> M:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise ConfigError(f"{file}: {_explain(error, model, content)}") from error


def _explain(error: ValidationError, model: type[BaseModel], content: dict[str, Any]) -> str:
    """All findings in one line: key, what is wrong, and for an unknown key the nearest valid one."""
    texts = []
    for finding in error.errors():
        location = _keys(finding["loc"], content)
        key = ".".join(location) or "file"
        if finding["type"] == "extra_forbidden":
            siblings = _valid_keys(model, tuple(map(str, finding["loc"][:-1])))
            elsewhere = _found_below(model, location[-1], content)
            hint = f"did you mean {elsewhere}?" if elsewhere else nearest(location[-1], siblings)
            texts.append(f"unknown key {key!r} ({hint})")
        else:
            message = finding["msg"].removeprefix("Value error, ")
            given = "" if finding["type"] == "missing" else f", got {finding['input']!r:.80}"
            texts.append(f"key {key!r}: {message}{given}")
    return "; ".join(texts) + "."


def _keys(location: Sequence[str | int], content: Any) -> list[str]:
    """Keys that lead to a finding: pydantic also names the member of a union that was chosen, `shape: basis`, there."""
    keys, node = list[str](), content
    for part in location:
        if isinstance(node, dict) and part not in node and part in node.values():
            continue
        keys.append(str(part))
        inside = isinstance(node, dict) or (isinstance(node, list) and isinstance(part, int) and part < len(node))
        node = (node.get(part) if isinstance(node, dict) else node[part]) if inside else None
    return keys


def _valid_keys(model: type[BaseModel], path: tuple[str, ...]) -> list[str]:
    """Keys that the (sub)model at `path` knows; unions are followed through their discriminator."""
    schema = model.model_json_schema()
    definitions, node = schema.get("$defs", {}), schema
    for part in path:
        node = _resolve(node.get("properties", {}).get(part, node), definitions, part)
    return sorted(_resolve(node, definitions, "").get("properties", {}))


def _found_below(model: type[BaseModel], name: str, content: dict[str, Any]) -> str | None:
    """Dotted path of the first key called `name` below another one, or None."""
    schema = model.model_json_schema()
    paths = _paths(schema, schema.get("$defs", {}), content, "")
    return next((path for path in paths if path.endswith(f".{name}")), None)


def _paths(node: dict[str, Any], definitions: dict[str, Any], content: Any, prefix: str) -> Iterator[str]:
    """All dotted keys below `node`; `content` says which member of a union is meant."""
    for name, child in node.get("properties", {}).items():
        yield f"{prefix}{name}"
        given = content.get(name, {}) if isinstance(content, dict) else {}
        tag = child.get("discriminator", {}).get("propertyName", "")
        choice = str(given.get(tag, "")) if isinstance(given, dict) else ""
        yield from _paths(_resolve(child, definitions, choice), definitions, given, f"{prefix}{name}.")


def _resolve(node: dict[str, Any], definitions: dict[str, Any], choice: str) -> dict[str, Any]:
    mapping = node.get("discriminator", {}).get("mapping", {})
    if choice in mapping:
        return definitions[mapping[choice].rsplit("/", 1)[-1]]  # type: ignore[no-any-return]
    for candidate in (node, *node.get("allOf", []), *(node.get("anyOf", []) if not mapping else [])):
        if "$ref" in candidate:
            return definitions[candidate["$ref"].rsplit("/", 1)[-1]]  # type: ignore[no-any-return]
    return node
