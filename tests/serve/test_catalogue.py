"""Every fault that the service is made for, with the tests that show the defence and those that show it is needed."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]

# Fault → tests of the defence, controls. A test that holds its own control stands on both sides.
CATALOGUE: dict[str, tuple[str, str]] = {
    "I1 a good delivery": (
        "test_an_event_is_on_the_disk_before_it_is_acknowledged_and_then_its_site_is_woken",
        "test_control_an_acknowledgement_before_the_flush_loses_events",
    ),
    "I2 the second secret": (
        "test_the_operator_sees_which_secret_is_still_in_use",
        "test_control_i2_a_secret_that_is_not_configured_proves_nothing",
    ),
    "I3 tampered": ("test_a_vector_is_judged_right", "test_control_i3_what_the_vectors_were_tampered_from_is_taken"),
    "I4 odd signatures": (
        "test_a_vector_is_judged_right test_no_headers_and_no_body_are_authentic_by_chance_or_an_error",
        "test_a_signature_that_is_not_ascii_is_refused_and_not_an_error",
    ),
    "I5 too old or ahead": (
        "test_a_clock_that_is_off_is_told_apart_from_a_forgery test_a_vector_is_judged_right",
        "test_control_i5_the_time_alone_is_what_refuses_an_old_delivery",
    ),
    "I6 odd timestamps": (
        "test_a_vector_is_judged_right",
        "test_control_a_timestamp_read_as_a_number_is_recut_and_read_in_other_scripts",
    ),
    "I7 replays": (
        "test_a_captured_delivery_is_worth_one_event_while_it_is_fresh_and_none_later",
        "test_control_i7_deliveries_that_are_no_replays_do_not_merge "
        "test_control_without_its_own_prefix_refused_a_captured_v1_delivery_would_be_good_for_ever",
    ),
    "I8 signed and unusable": (
        "test_what_is_authentic_and_of_no_use_is_taken_kept_apart_and_asks_for_one_look_at_all",
        "test_control_the_same_bodies_unsigned_leave_no_trace",
    ),
    "I9 bad secrets": (
        "test_i9_a_secret_that_cannot_be_used_is_refused_at_the_start "
        "test_a_secret_that_cannot_protect_is_refused_with_its_place_and_never_shown",
        "test_control_i9_a_secret_of_sixteen_characters_is_enough",
    ),
    "I10 constant time": (
        "test_every_secret_is_compared_also_after_a_hit",
        "test_a_signature_that_is_not_ascii_is_refused_and_not_an_error",
    ),
    "I11 every secret": (
        "test_every_secret_is_compared_also_after_a_hit",
        "test_control_i11_to_stop_at_the_first_hit_compares_less_for_some_secrets",
    ),
    "I12 an hour of refusals": (
        "test_i12_an_hour_of_refusals_is_a_warning_and_a_single_forgery_is_none "
        "test_i12_new_secrets_end_the_warning_of_refusals "
        "test_only_refusals_of_what_carries_a_signature_speak_for_a_wrong_secret "
        "test_i12_where_every_delivery_is_refused_the_state_is_degraded_and_the_operator_told_once",
        "test_i12_where_every_delivery_is_refused_the_state_is_degraded_and_the_operator_told_once",
    ),
    "J1 slow peers": (
        "test_a_slow_peer_is_closed_when_its_time_is_over_however_it_drips "
        "test_a_thousand_slow_connections_are_held_off_at_the_usual_limits "
        "test_many_that_are_late_together_are_closed_a_few_at_a_time_and_all_of_them_soon",
        "test_control_uvicorn_alone_bears_slow_peers",
    ),
    "J2 large bodies": (
        "test_a_body_that_is_announced_as_too_large_is_not_read test_endless_chunks_end_at_the_limit "
        "test_ten_gigabytes_are_refused_before_they_are_sent_and_cost_no_memory "
        "test_endless_chunks_are_refused_and_cost_no_memory",
        "test_control_j2_a_door_without_a_limit_waits_for_ten_gigabytes_and_holds_what_comes "
        "test_a_large_body_is_taken_where_the_dialect_has_large_ones",
    ),
    "J3 large headers": (
        "test_a_header_that_never_ends_is_431 test_headers_that_are_too_large_or_too_many_are_431",
        "test_control_uvicorn_alone_reads_headers_without_end test_control_headers_just_below_the_limits_are_read",
    ),
    "J4 two lengths": (
        "test_what_is_no_clear_http_is_400_and_the_end "
        "test_two_lengths_are_refused_even_where_the_parser_lets_them_pass",
        "test_control_a_lenient_parser_alone_takes_two_lengths",
    ),
    "J5 other methods and paths": (
        "test_other_methods_are_405 test_other_paths_are_404_even_when_signed test_odd_requests_have_plain_answers",
        "test_an_event_is_on_the_disk_before_it_is_acknowledged_and_then_its_site_is_woken",
    ),
    "J6 old and odd clients": (
        "test_an_expectation_is_met_before_the_body_and_refused_without_it test_an_old_client_is_served "
        "test_a_compressed_body_is_no_other_than_its_bytes test_deliveries_sent_ahead_are_answered_in_their_order",
        "test_a_peer_that_sends_ahead_and_then_dawdles_is_closed",
    ),
    "J7 a flood of connections": (
        "test_legitimate_requests_are_served_while_slow_ones_hold_the_door",
        "test_control_to_shed_the_newest_locks_everybody_out",
    ),
    "J8 no HTTP at all": (
        "test_what_is_no_clear_http_is_400_and_the_end test_what_no_parser_reads_shows_in_no_log "
        "test_a_log_line_holds_no_secret_and_no_control_character",
        "test_control_uvicorn_alone_says_who_it_is_and_what_was_wrong",
    ),
    "J9 gone before the reply": (
        "test_a_sender_that_leaves_in_mid_body_leaves_no_event_and_one_that_leaves_after_it_leaves_one "
        "test_j9_a_delivery_is_kept_even_if_its_handler_ends_while_the_disk_is_busy",
        "test_control_j9_kept_by_the_handler_itself_the_one_that_waits_is_lost",
    ),
    "J10 few files, taken ports": (
        "test_j10_where_few_files_may_be_open_the_oldest_peer_leaves_and_a_delivery_is_taken "
        "test_more_peers_than_files_do_not_stop_the_service test_files_are_spared_where_few_may_be_open "
        "test_i9_a_secret_that_cannot_be_used_is_refused_at_the_start",
        "test_control_j10_without_files_to_spare_nobody_is_let_in_while_others_wait "
        "test_control_j10_a_crowd_let_in_at_once_takes_more_files_than_there_are",
    ),
    "K1 duplicates": (
        "test_k1_a_delivery_that_comes_twice_is_one_build test_a_duplicate_merges_while_nobody_has_taken_it",
        "test_control_k1_the_same_delivery_after_its_build_is_another_build",
    ),
    "K2 out of order": (
        "test_k2_the_order_of_events_does_not_matter",
        "test_control_k2_to_believe_the_last_event_depends_on_the_order",
    ),
    "K3 an unknown post is deleted": (
        "test_k3_a_post_that_nobody_knows_and_that_is_gone_changes_nothing",
        "test_control_k3_k4_a_post_that_is_gone_and_was_known_is_removed",
    ),
    "K4 called deleted and there": (
        "test_k4_a_post_that_an_event_calls_deleted_stays_while_the_cms_shows_it "
        "test_k4_a_post_that_an_event_calls_deleted_stays_while_the_cms_cannot_say",
        "test_control_k4_to_believe_the_event_takes_away_a_page_that_the_cms_shows "
        "test_control_k3_k4_a_post_that_is_gone_and_was_known_is_removed",
    ),
    "K5 a storm": (
        "test_k5_a_storm_of_ten_thousand_events_in_ten_seconds_is_at_most_three_builds "
        "test_k5_ten_thousand_deliveries_in_ten_seconds_are_at_most_three_builds",
        "test_control_without_pacing_the_same_storm_is_many_builds",
    ),
    "K6 during a build": (
        "test_k6_whatever_comes_during_a_build_becomes_one_more",
        "test_control_k6_a_build_during_which_nothing_comes_is_the_only_one",
    ),
    "K7 unknown events": (
        "test_an_unknown_event_is_taken_logged_once_a_type_and_no_work",
        "test_control_k7_taken_for_news_of_a_post_each_unknown_event_is_work "
        "test_control_k7_without_a_memory_of_the_types_each_event_is_a_line",
    ),
    "K8 pings, subscribers, comments": (
        "test_k8_pings_and_subscribers_need_no_build_and_comments_only_where_they_are_shown "
        "test_a_ping_is_taken_shown_and_never_built",
        "test_control_k8_an_event_of_a_post_among_those_without_work_is_built",
    ),
    "K9 another tenant": (
        "test_a_delivery_for_another_tenant_is_taken_ignored_and_warned_of",
        "test_control_k9_where_no_tenant_is_named_anothers_events_are_work",
    ),
    "K10 equal edits": (
        "test_k10_an_equal_event_after_the_builds_read_is_work_again",
        "test_control_k10_a_queue_that_merges_with_what_is_being_built_loses_the_second_edit",
    ),
    "K11 failing builds": (
        "test_k11_failures_back_off_from_five_seconds_and_the_event_stays "
        "test_a_failing_cms_makes_the_state_degraded_and_the_live_site_stays",
        "test_control_k11_without_the_wait_a_failing_cms_is_asked_without_end",
    ),
    "K12 lost events": (
        "test_k12_what_changed_while_the_service_was_down_is_live_after_its_start "
        "test_k12_silence_while_looks_find_changes_says_that_the_webhook_seems_disabled",
        "test_control_k12_between_two_looks_what_nobody_announces_is_not_found "
        "test_control_a_silence_in_which_nothing_changed_is_no_warning",
    ),
    "L3 the service is killed": (
        "test_l3_an_acknowledged_event_of_a_killed_service_is_built_by_the_next "
        "test_no_acknowledged_event_is_lost_by_a_hundred_kills",
        "test_control_an_acknowledgement_before_the_flush_loses_events",
    ),
    "L5 SIGTERM": (
        "test_l5_sigterm_ends_within_five_seconds_and_the_build_child_with_it",
        "test_control_l5_a_child_that_is_only_asked_may_never_end",
    ),
    "L6 the parent dies": (
        "test_l6_the_build_child_dies_with_a_killed_service",
        "test_control_l6_a_child_that_did_not_ask_to_die_with_its_parent_outlives_it",
    ),
    "L7 the build is killed": (
        "test_l7_a_killed_build_never_takes_the_service_along test_l7_a_lost_child_is_told_of_and_replaced",
        "test_control_without_a_limit_the_same_build_takes_the_memory",
    ),
    "L8 SIGHUP": (
        "test_l8_sighup_reads_the_secrets_anew_and_a_bad_configuration_keeps_the_old",
        "test_l8_sighup_reads_the_secrets_anew_and_a_bad_configuration_keeps_the_old",
    ),
    "N1 a clock set back": (
        "test_n1_a_wall_clock_that_is_set_back_stops_nothing",
        "test_control_n1_a_wait_by_the_wall_clock_lasts_as_long_as_the_clock_was_set_back",
    ),
    "N2 a clock that is ahead": (
        "test_a_clock_that_is_off_is_told_apart_from_a_forgery",
        "test_control_i5_the_time_alone_is_what_refuses_an_old_delivery",
    ),
    "N4 two sites": (
        "test_n4_several_sites_are_served_by_one_service_and_do_not_mix "
        "test_n4_a_site_whose_build_hangs_holds_up_no_other test_n4_events_of_one_site_are_taken_for_no_other "
        "test_processes_that_share_a_key_never_exceed_it_together",
        "test_control_n4_one_build_process_for_all_lets_the_other_wait "
        "test_control_processes_that_do_not_share_their_window_exceed_it",
    ),
    "N13 a day's quota": (
        "test_n13_a_day_that_is_nearly_used_up_is_left_to_events",
        "test_control_n13_a_day_with_quota_to_spare_is_looked_at",
    ),
}
WHOLE_GROUPS = {"I": 12, "J": 10, "K": 12}


@pytest.fixture(scope="module")
def all_tests() -> set[str]:
    """The names of all tests, whatever is left out of this run."""
    found = set()
    for folder in ("serve", "scenarios", "http"):
        for file in (TESTS / folder).glob("test_*.py"):
            tree = ast.parse(file.read_text("utf-8"))
            found |= {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    return found


@pytest.mark.parametrize("fault", CATALOGUE)
def test_each_fault_has_a_test_and_a_control(fault: str, all_tests: set[str]) -> None:
    for names in CATALOGUE[fault]:
        assert names.split(), fault
        assert set(names.split()) <= all_tests


def test_no_fault_of_a_whole_group_is_missing() -> None:
    numbers = {fault.split()[0] for fault in CATALOGUE}
    assert {f"{group}{n + 1}" for group, count in WHOLE_GROUPS.items() for n in range(count)} <= numbers
