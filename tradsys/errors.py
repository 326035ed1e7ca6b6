"""What the command line says when something a user can mend is wrong."""


class CommandError(Exception):
    """A sentence for the user: what was wrong, where, and what would be right.

    It ends the command without a traceback.
    """

    def __init__(self, sentence: str, *, exit_code: int = 1) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.exit_code = exit_code
