"""`[user_features]` / `[item_features]`: which fields feed the encoders, and how each is turned into numbers."""

from __future__ import annotations

from typing import Literal

from bgmrec.config.base import AtLeastOne, Name, Section, Share


class Feature(Section):
    """One feature of the fixed-width vector.

    one_hot / multi_hot: vocabulary of the `size` most frequent values seen by at least `min_count` training
    entities, plus one column for any other value, all zeros where it is missing; hashed: `size` buckets;
    number: standardised, missing → 0 with a missing column; log_number: sign(x) · log(1 + |x|) first;
    vector: `size` wide, standardised per column, missing (or of another width) → 0 with a missing column.
    """

    field: Name
    kind: Literal["one_hot", "multi_hot", "hashed", "number", "log_number", "vector"]
    size: AtLeastOne = 64
    min_count: AtLeastOne = 1


class DocumentSettings(Section):
    """The item's document: text and list fields joined, lower-cased, split into words; vocabulary from train only."""

    fields: list[Name] = []
    max_tokens: AtLeastOne = 300
    vocabulary_size: AtLeastOne = 8000
    max_document_share: Share = 0.5  # words in more documents than this say nothing
    min_documents: AtLeastOne = 2


class EntityFeatures(Section):
    features: list[Feature] = []
    document: DocumentSettings = DocumentSettings()
