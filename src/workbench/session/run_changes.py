from workbench.protocol import queries as q
from workbench.session.run_series import RunCurves
from workbench.session.run_table import RunTable


class RunDifferences:
    def __init__(self, table: RunTable, curves: RunCurves) -> None:
        self._table, self._curves = table, curves

    def page(self, query: q.RunChangesPage) -> q.RunChanges:
        return q.RunChanges()
