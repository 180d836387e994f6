"""The few exceptions that qnviz raises on purpose. Each carries a sentence for people."""


class QnvizError(Exception):
    """Base of all errors that are meant to be shown to a person as they are."""


class SpecError(QnvizError):
    """A run was described wrongly; `faults` has one sentence per wrong field."""

    def __init__(self, faults: list[str]):
        self.faults = faults
        super().__init__(" ".join(faults))


class SettingError(QnvizError):
    """An environment variable has a value that is not allowed."""


class DeviceError(QnvizError):
    """The requested device is not available."""


class DataError(QnvizError):
    """A data set is missing, damaged, or does not fit."""


class UndecidedError(DataError):
    """A data set may be read in several ways, and a person has to choose one."""


class ExpressionError(QnvizError):
    """What was typed is not a function that can be computed and differentiated."""


class TraceError(QnvizError):
    """A saved run could not be read."""


class ExportError(QnvizError):
    """A run could not be written in the form that was asked for."""


class OptimizerError(QnvizError):
    """An optimizer for models of one's own was set up or called in a way that cannot work."""


class WorkerError(QnvizError):
    """Workers are described wrongly, or could not carry out what they were given."""


class Interrupted(Exception):
    """Somebody stopped a run; raised between two passes and caught by the loop."""


class LessonError(QnvizError):
    """A lesson's file is broken; `faults` has one sentence per wrong field, with its line."""

    def __init__(self, file: str, faults: list[str]):
        self.file, self.faults = file, faults
        super().__init__(f"{file}: " + " ".join(faults))
