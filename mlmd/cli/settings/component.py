"""A node of the configuration that becomes an object: the class or function it names, and the arguments."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlmd.errors import ConfigError


@dataclass(frozen=True)
class Component:
    """A node with ``_target_``; `mlmd.cli.instantiate.build` makes the object.

    Attributes:
        path: where the node stands in the configuration, for messages, e.g. "data.batches".
        node: the node as plain values, ``_target_`` included.
    """

    path: str
    node: Mapping[str, Any]

    @classmethod
    def of(cls, node: Any, path: str) -> "Component":
        """The component of a node.

        Args:
            node: plain values.
            path: where the node stands.

        Raises:
            ConfigError: the node, or a mapping inside it, has no ``_target_``. Hydra would pass it on as a mapping.
        """
        if not isinstance(node, Mapping) or "_target_" not in node:
            has = ", ".join(map(repr, node)) if isinstance(node, Mapping) and node else "nothing"
            raise ConfigError(f"{path} has no _target_, so nothing can be made of it (it has {has})")
        for key, value in node.items():
            if isinstance(value, Mapping):
                cls.of(value, f"{path}.{key}")
        return cls(path, dict(node))

    @property
    def target(self) -> str:
        """Dotted path of the class or function."""
        return str(self.node["_target_"])

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments as plain values, those of nested components included."""
        return {key: value for key, value in self.node.items() if key not in ("_target_", "_partial_")}
