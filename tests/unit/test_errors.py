"""Errors survive the way back from a worker and keep their exit status."""

import pickle

from bgmrec import errors


def test_an_error_survives_pickling_with_all_its_details() -> None:
    error = errors.TrainingError("broke", where="worker 1", expected="a", found="b", hint="mend it")
    copy = pickle.loads(pickle.dumps(error))
    assert isinstance(copy, errors.TrainingError)
    assert (str(copy), copy.hint) == (str(error), "mend it")


def test_every_family_has_its_own_exit_status() -> None:
    families = (
        errors.SettingsError,
        errors.InputError,
        errors.QualityGateError,
        errors.TrainingError,
        errors.PublishingError,
    )
    statuses = {family.exit_status for family in families}
    assert len(statuses) == len(families)
    assert errors.EXIT_PUBLISHED not in statuses
