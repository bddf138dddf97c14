"""Records of calls and what applications are owed."""

from gateway.store.store import Store
from gateway.store.writer import StorageUnavailable

__all__ = ["StorageUnavailable", "Store"]
