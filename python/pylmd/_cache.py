"""The key-value store of a node."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, overload

if TYPE_CHECKING:
    from ._native import Client, Payload

T = TypeVar("T")


class Cache:
    """The cache of a node, which clients and functions share: `bytes` under keys of text.

    It reads as a dictionary, without its keys being listed. Calls wait while the connection is lost, and are then made again.

    >>> node.cache["greeting"] = b"hello"
    >>> node.cache["greeting"]
    b'hello'
    >>> "greeting" in node.cache
    True
    >>> del node.cache["greeting"]
    >>> node.cache.get("greeting") is None
    True
    """

    __slots__ = ("_client",)

    def __init__(self, client: Client) -> None:
        self._client = client

    @overload
    def get(self, key: str) -> bytes | None: ...
    @overload
    def get(self, key: str, default: T) -> bytes | T: ...
    def get(self, key: str, default: T | None = None) -> bytes | T | None:
        """The value of a key, or `default` where there is no such key."""
        value = self._client.cache_get(key)
        return default if value is None else value

    def add(self, value: Payload) -> str:
        """Stores a value under a key that the node chooses, and returns the key.

        >>> key = node.cache.add(b"something")
        >>> node.cache[key]
        b'something'
        """
        return self._client.cache_set("", value)

    def __getitem__(self, key: str) -> bytes:
        value = self._client.cache_get(key)
        if value is None:
            raise KeyError(key)
        return value

    def __setitem__(self, key: str, value: Payload) -> None:
        if not key:
            raise ValueError("the empty key asks the node to choose one; add() returns it")
        self._client.cache_set(key, value)

    def __delitem__(self, key: str) -> None:
        if not self._client.cache_delete(key):
            raise KeyError(key)

    def __contains__(self, key: str) -> bool:
        return self._client.cache_get(key) is not None

    #: There is no way to ask a node for all its keys.
    __iter__ = None
