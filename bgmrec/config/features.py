"""`[user_features]` / `[item_features]`: which fields the encoders read, and how each is turned into numbers."""

from __future__ import annotations

from typing import Annotated, Literal

from bgmrec.config.base import AtLeastOne, Name, Section, Share, Unit


class Feature(Section):
    """One feature of the fixed-width vector that describes a user or an item.

    Vocabularies, means and standard deviations come from entities with training ratings only.
    """

    field: Name
    """Field of `[[users.fields]]` or `[[items.fields]]` that the feature is made of."""

    kind: Literal["one_hot", "multi_hot", "hashed", "number", "log_number", "vector"]
    """How the field becomes numbers. `one_hot` (one value) and `multi_hot` (type `list`): a column per frequent
    value and one for every other value; all zero where the value is missing. `hashed`: `size` columns by a hash of
    the value, for fields with too many values for a vocabulary. `number`: standardised; a missing value is 0, marked
    in a second column. `log_number`: the same for sign(x) · log(1 + |x|), for counts and durations. `vector` (type
    `vector`): `size` columns, each standardised; a missing vector, or one of another width, is 0, marked in one more
    column."""

    size: Annotated[AtLeastOne, Unit("columns")] = 64
    """`one_hot`, `multi_hot`: largest vocabulary. `hashed`: number of buckets. `vector`: width of the vectors, which
    must be exact. Not used by `number` and `log_number`."""

    min_count: Annotated[AtLeastOne, Unit("entities")] = 1
    """`one_hot`, `multi_hot`: a value enters the vocabulary only if this many training entities have it. Raise it where
    rare values are noise."""


class DocumentSettings(Section):
    """The text of an item: its text and list fields, joined, lower-cased and split into words. HTML markup is no word.

    Only `[item_features.document]` is read; the encoder `text_cnn` and the linear groups with `svd:text` use it. The
    vocabulary comes from items with training ratings only.
    """

    fields: list[Name] = []
    """Fields of `[[items.fields]]` that are joined, in this order. Empty: no text."""

    max_tokens: Annotated[AtLeastOne, Unit("words")] = 300
    """Words read of a document; the rest is cut. The default is that of the PHD paper; training time grows with it."""

    vocabulary_size: Annotated[AtLeastOne, Unit("words")] = 8000
    """Most frequent words that are kept; other words are dropped. The default is that of the PHD paper."""

    max_document_share: Share = 0.5
    """A word in more than this share of the documents is dropped: it tells items apart badly."""

    min_documents: Annotated[AtLeastOne, Unit("documents")] = 2
    """A word in fewer documents than this is dropped: nothing can be learned from it."""


class EntityFeatures(Section):
    """Which fields of an entity the encoders read."""

    features: list[Feature] = []
    """Features, in the order of their columns: `[[user_features.features]]`, or a list of inline tables."""

    document: DocumentSettings = DocumentSettings()
