"""The responsibility list and the classifier's model read again while the hub runs.

The worker asks between two chunks, so that no event waits for it, is lost, or is decided by half a list.
"""

import logging
from pathlib import Path
from typing import Final

from monitoring.metrics import LISTS_RELOADED, MODELS_RELOADED
from profiles import LIST_FILES, ROUTING_FILES, Profile, ProfileError, with_lists
from profiles.duties import content_hash
from streams.classify import ModelError, classifier_of

_log: Final = logging.getLogger(__name__)

_Stat = tuple[tuple[int, int, int], ...]


class ListWatch:
    """Watches a profile's ROUTING_FILES. A look costs a few stat calls while nothing changes."""

    def __init__(self, profile: Profile) -> None:
        """`profile`: as it was loaded."""
        self._paths = [profile.folder / name for name in ROUTING_FILES]
        self._stat = self._look()
        self._hash = content_hash(*self._paths)
        if content_hash(*(profile.folder / name for name in LIST_FILES)) != profile.list_hash:
            self._stat, self._hash = (), ""  # changed since it was loaded: the first look takes it

    def reloaded(self, profile: Profile) -> Profile | None:
        """The profile with its lists read again, if their content changed; None otherwise, and where it is wrong.

        A file that is wrong leaves the lists in force as they were; log and metric tell it once, with its lines. Put a new
        file in place by renaming it, so that no half of it is ever read.
        """
        stat = self._look()
        if stat == self._stat:
            return None
        self._stat = stat
        found = content_hash(*self._paths)
        if found == self._hash:
            return None
        self._hash = found
        try:
            new = with_lists(profile)
        except (ProfileError, OSError) as error:
            LISTS_RELOADED.labels("refused").inc()
            _log.error("the changed lists of %s are not taken, those from before stay: %s", profile.folder.name, error)
            return None
        LISTS_RELOADED.labels("taken").inc()
        if new.list_hash != profile.list_hash and new.list_version == profile.list_version:
            _log.warning(
                "the responsibility list changed from %s to %s under the same list_version %s: raise it in profile.toml",
                profile.list_hash,
                new.list_hash,
                new.list_version,
            )
        return new

    def _look(self) -> _Stat:
        return tuple(_stat(path) for path in self._paths)


class ModelWatch:
    """The model of a profile, and its file watched. A look costs a stat call while nothing changes."""

    def __init__(self, profile: Profile) -> None:
        """Reads the model; raises ModelError and ProfileError where it can't be used. classifier: None without a model."""
        self._path = profile.folder / profile.classifier if profile.classifier is not None else None
        self._stat = _stat(self._path) if self._path is not None else (0, 0, 0)
        self.classifier = classifier_of(profile)

    def reloaded(self, profile: Profile) -> bool:
        """Whether the file changed and `classifier` is its model now.

        One that can't be used leaves the model in force; log and metric tell it once. Put a new file in place by renaming it.
        """
        if self._path is None or (stat := _stat(self._path)) == self._stat:
            return False
        self._stat = stat
        try:
            self.classifier = classifier_of(profile)
        except (ModelError, ProfileError) as error:
            MODELS_RELOADED.labels("refused").inc()
            _log.error(
                "the changed model of %s is not taken, the one from before stays: %s", profile.folder.name, error
            )
            return False
        MODELS_RELOADED.labels("taken").inc()
        if self.classifier is not None:
            told = self.classifier.told
            _log.info("Classifying by the model of training data %s from now on", told.data_sha256[:12])
        return True


def _stat(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except OSError:
        return (0, 0, 0)
    return found.st_mtime_ns, found.st_size, found.st_ino
