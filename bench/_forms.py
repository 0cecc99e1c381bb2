"""The two forms of every benchmark: as its options say, and a small one that CI runs so that none of them rots.

A figure of the small form says that the benchmark works, not how quick anything is; results say which form they are of.
"""

CAMPAIGN, CI = "campaign", "CI"

SHORT: dict[str, tuple[str, ...]] = {
    "declare": ("--tags", "500", "--machines", "8"),
    "e2e": ("--rate", "2000", "--per", "400", "--minutes", "0.2", "--outage", "3"),
    "ingest": ("--rows", "5000", "--batches", "20", "--turns", "1"),
    "maintenance": ("--assets", "20", "--channels", "10", "--seconds", "5", "--block", "5"),
    "lag": ("--opcua", "200", "--mqtt", "200", "--seconds", "4", "--turns", "1"),
    "machines": ("--hours", "0.1", "--turns", "1"),
    "opcua": ("--rate", "2000", "--per", "100", "--seconds", "3", "--turns", "1", "--recorded-values", "20000"),
    "opcua_plant": ("--rates", "500", "--seconds", "3", "--turns", "1"),
    "query": ("--rows", "200000", "--tags", "200", "--live", "5000", "--asks", "3"),
    "rss": ("--minutes", "0.1"),
    "sealing": ("--rows", "100000", "--turns", "1", "--kinds", "walk"),
    "start": ("--starts", "1", "--days", "2", "--generated", "2"),
    "year": ("--days", "3", "--generated", "2", "--every", "60", "--starts", "1", "--asks", "2"),
}
"""Options of the small form: under a minute each on two cores."""
