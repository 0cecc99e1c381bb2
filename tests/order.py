"""Which test files take longest, and which of them may be taken apart; `tests/conftest.py` orders by it."""

LONGEST_FIRST = (
    "e2e/test_compose.py",
    "e2e/apps/test_health_of_the_pump.py",
    "e2e/apps/test_replay_speeds.py",
    "e2e/test_faults.py",
    "e2e/test_kills.py",
    "integration/lab/test_prognosis.py",
    "e2e/apps/test_score_of_the_pump.py",
    "e2e/browser/test_apps_in_chromium.py",
    "e2e/browser/test_laboratory_in_chromium.py",
    "e2e/test_benches.py",
    "e2e/test_planted_faults.py",
    "integration/platform_historian/test_corrections_model.py",
    "e2e/browser/test_forms_in_chromium.py",
    "e2e/browser/test_new_app_in_chromium.py",
    "integration/sdk/test_transfer.py",
    "integration/simulators/test_playback_folder.py",
    "integration/gateway/test_gateway_to_platform.py",
    "integration/apps/test_fanout.py",
    "integration/apps/test_models_page.py",
    "integration/platform_api/test_fresh_start.py",
    "integration/gateway/test_tls.py",
    "integration/apps/test_fleet_page.py",
    "integration/lab_experiment/test_experiment.py",
    "integration/simulators/test_run.py",
    "integration/sdk/test_app_login.py",
    "e2e/cli/test_demo.py",
    "integration/simulators/test_laboratory.py",
    "integration/platform_historian/test_sealing_kills.py",
    "property/platform_historian/test_lanes_properties.py",
    "integration/platform_historian/test_correction_kills.py",
    "integration/platform_historian/test_backlog.py",
    "integration/simulators/test_truth_is_sealed.py",
    "integration/platform_historian/test_crash.py",
)
"""What takes a minute or more on two busy cores; the rest follows, unit tests last."""
EACH_ALONE = frozenset(
    {
        "e2e/apps/test_health_of_the_pump.py",
        "e2e/test_benches.py",
        "e2e/test_faults.py",
        "integration/gateway/test_gateway_to_platform.py",
        "integration/platform_api/test_fresh_start.py",
        "integration/platform_historian/test_corrections_model.py",
        "integration/sdk/test_transfer.py",
        "integration/simulators/test_playback_folder.py",
    }
)
"""Files whose tests share no fixture of the module."""
