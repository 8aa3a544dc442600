"""Records beside the papers' numbers: tables, figures, and the page RESULTS.md."""

from distill_lib.report.figures import report_figure
from distill_lib.report.groups import (
    Difference,
    difference_to_plain,
    group_by_seed,
    mean_and_deviation,
    paired_difference,
    plain_of,
    registered_runs,
)
from distill_lib.report.page import results_page, write_results
from distill_lib.report.rows import published_text
from distill_lib.report.tables import TABLES, Table
from distill_lib.report.write import report_table, write_report
