"""What emosieve promises under each fault, and the test that shows it: the READMEs' table."""

from dataclasses import dataclass
from pathlib import Path

from emosieve.text import Language, Phrase

TESTS = Path(__file__).parent


@dataclass(frozen=True)
class Promise:
    """One row: what may happen, what holds then, and by which test one sees it."""

    fault: Phrase
    promise: Phrase
    tests: tuple[str, ...]

    def row(self, language: Language) -> tuple[str, str, str]:
        """The row in one language; each test is a link to its file."""
        links = (
            f"[`{name}`](tests/{file})" for file, _, name in (test.partition("::") for test in self.tests)
        )
        return (self.fault().text(language), self.promise().text(language), ", ".join(links))


def is_there(test: str) -> bool:
    """Whether a test of this name stands in this file, and in this class if one is named."""
    file, *names = test.split("::")
    text = (TESTS / file).read_text(encoding="utf-8") if (TESTS / file).is_file() else ""
    for kind, name in zip(("class", "def")[-len(names) :], names, strict=True):
        _, found, text = text.partition(f"{kind} {name}")
        if not found or not text.startswith(("(", ":")):
            return False
    return True


PROMISES: tuple[Promise, ...] = (
    Promise(
        Phrase("it is killed at any moment", "任何时刻被杀死"),
        Phrase(
            "after a restart each task is in one place, decided and reported once; a rebuild changes no byte",
            "重启之后，每个任务都只在一个地方，只判定一次，只报告一次；重建的报告逐字节相同",
        ),
        (
            "faults/test_kill.py::test_killed_at_random_nothing_is_lost_doubled_or_torn",
            "faults/test_crash.py::test_killed_at_each_step_nothing_is_lost_doubled_or_left_over",
            "faults/test_crash.py::test_killed_at_each_step_of_several_batches_and_rotations",
        ),
    ),
    Promise(
        Phrase("it is killed again while it recovers", "恢复途中再次被杀死"),
        Phrase("the same", "同上"),
        ("faults/test_crash.py::test_killed_again_while_it_recovers_nothing_is_lost_doubled_or_left_over",),
    ),
    Promise(
        Phrase("`report rebuild` is killed", "`report rebuild` 被杀死"),
        Phrase(
            "the report is the old one or the new one, never a mixture",
            "报告要么是旧的，要么是新的，绝不会新旧混杂",
        ),
        ("faults/test_crash.py::test_killed_at_each_step_of_a_rebuild_the_report_is_whole",),
    ),
    Promise(
        Phrase(
            "a result or a late file comes between death and restart",
            "被杀死之后、重启之前来了新结果或迟到的文件",
        ),
        Phrase(
            "it is decided as a task of its own, or goes to the task it belongs to",
            "作为单独的任务判定，或放进所属的任务",
        ),
        (
            "faults/test_crash.py::test_a_new_result_after_the_death_is_a_task_of_its_own",
            "faults/test_crash.py::test_a_late_file_after_the_death_comes_to_its_task",
        ),
    ),
    Promise(
        Phrase(
            "all of that at once, in random order, with names and inodes that come again",
            "以上种种随机交错，同名任务和 inode 反复出现",
        ),
        Phrase("the same", "同上"),
        (
            "faults/test_torture.py::test_after_a_torture_every_task_is_in_one_place_decided_and_counted_once",
            "test_debts.py::test_exactly_the_moves_that_were_not_made_are_found",
        ),
    ),
    Promise(
        Phrase(
            "checkpoint or settings are not those of the run that died",
            "检查点丢失或过旧，或重启前改了配置",
        ),
        Phrase(
            "only the very directory that was decided about is moved, to the folder that is named now",
            "只移动当时判定的那一个目录（按 inode 和创建时间识别），并移到现在配置的目录",
        ),
        (
            "test_recovery.py::TestNames::test_an_old_restore_is_not_made_again",
            "test_recovery.py::TestNames::test_a_filed_task_is_not_superseded",
            "test_recovery.py::TestSettingsChanged::test_pending_moves_go_to_the_new_folder",
            "test_recovery.py::TestEditedLines::test_our_own_files_stay",
        ),
    ),
    Promise(
        Phrase("the disk is full", "磁盘写满"),
        Phrase(
            "nothing moves without its line in the log; it waits, `status` says why, with room it goes on",
            "没有写进判定日志的任务一律不移动；它会等待，`status` 说明原因，有空间后自动继续",
        ),
        (
            "faults/test_disk.py::test_a_full_disk_is_waited_out",
            "faults/test_copies.py::test_a_full_destination_holds_its_own_tasks_back",
            "faults/test_disk.py::test_a_status_without_room_is_told_later",
        ),
    ),
    Promise(
        Phrase("the disk fails (EIO), at any step", "磁盘在任意一步出错（EIO）"),
        Phrase(
            "the daemon stays, each task is filed, decided and reported once when the fault is over",
            "守护进程不退出；故障消失后，每个任务都归档、判定、报告各一次",
        ),
        (
            "faults/test_failing_steps.py::test_a_daemon_lives_through_a_failing_step",
            "faults/test_failing_steps.py::test_what_a_failing_sweep_left_the_next_one_finishes",
            "faults/test_disk.py::test_a_log_whose_disk_fails_holds_all_back",
            "faults/test_disk.py::test_a_failing_rename_is_told_of_its_task_alone",
            "faults/test_disk.py::test_a_root_that_cannot_be_listed_is_waited_for",
            "faults/test_disk.py::test_a_result_that_cannot_be_read_keeps_nobody_waiting",
        ),
    ),
    Promise(
        Phrase("report or checkpoint cannot be written", "报告或检查点无法写入"),
        Phrase(
            "filing goes on, and they are mended without another task",
            "归档继续；之后自动补上，不需要等新任务",
        ),
        ("faults/test_disk.py::test_what_follows_the_log_is_mended_without_another_task",),
    ),
    Promise(
        Phrase("the disk is remounted read-only, and writable again", "磁盘被重新挂载为只读，之后又恢复可写"),
        Phrase(
            "no file held open stands in the way; it waits and goes on",
            "不会因为打开着文件而阻碍重新挂载；它会等待，然后继续",
        ),
        (
            "faults/test_disk.py::test_an_idle_daemon_lets_the_disk_be_remounted_read_only",
            "faults/test_disk.py::test_a_daemon_at_work_lets_the_disk_be_remounted_read_only",
            "faults/test_copies.py::test_a_destination_can_be_remounted_read_only",
        ),
    ),
    Promise(
        Phrase(
            "a permission is missing on root, log, destination or one task",
            "输出目录、日志、目标目录或某个任务缺少权限",
        ),
        Phrase(
            "what cannot be moved waits and is told once; all others are filed",
            "不能移动的留下等待，只提示一次；其余照常归档",
        ),
        (
            "faults/test_denied.py::test_a_root_without_permissions_is_waited_for",
            "faults/test_denied.py::test_a_log_that_may_not_be_written_holds_all_back",
            "faults/test_denied.py::test_a_destination_that_may_not_be_written_holds_its_own_tasks_back",
            "faults/test_denied.py::test_a_task_that_may_not_be_moved_keeps_nobody_waiting",
            "faults/test_denied.py::test_an_immutable_task_keeps_nobody_waiting",
            "faults/test_denied.py::test_an_immutable_destination_holds_its_own_tasks_back",
            "faults/test_denied.py::test_an_immutable_log_holds_all_back",
        ),
    ),
    Promise(
        Phrase(
            "another user may read the root, or write where root's emosieve works",
            "其他用户能读输出目录，或能写 root 运行的 emosieve 所处理的目录",
        ),
        Phrase(
            "he can take no lock, and have nothing of root's changed or given to him",
            "拿不到锁，也无法让 root 的文件被改动或转给他",
        ),
        (
            "record/test_own_files.py::TestOthersAreKeptOut::test_a_stranger_cannot_hold_a_lock",
            "record/test_own_files.py::test_nothing_is_made_where_a_symlink_leads",
            "test_copying.py::test_a_hidden_directory_that_is_replaced_is_not_used",
            "test_copying.py::test_in_a_hidden_directory_of_anothers_no_owner_is_kept",
        ),
    ),
    Promise(
        Phrase(
            "root types a command beside a daemon of another user",
            "守护进程以其他用户身份运行时，root 在旁边执行命令",
        ),
        Phrase(
            "what it makes belongs to that user; a third user is refused before anything is written",
            "新建的文件归那个用户所有；第三个用户会被拒绝，且什么都不会写入",
        ),
        (
            "record/test_own_files.py::TestWhatRootMakes::test_the_owner_works_on_after_it",
            "record/test_own_files.py::TestAThirdUser::test_it_is_refused_before_anything_is_written",
        ),
    ),
    Promise(
        Phrase("a command's shell has other settings than the daemon", "命令所在 shell 的配置与守护进程不同"),
        Phrase(
            "what concerns the root follows the daemon, and the command says so",
            "与输出目录有关的一律按守护进程的配置，命令会说明",
        ),
        (
            "commands/test_in_force.py::test_without_a_daemon_the_report_keeps_its_layout",
            "commands/test_in_force.py::test_a_restoration_goes_where_the_daemon_files",
            "commands/test_in_force.py::test_todays_rules_are_the_daemons",
        ),
    ),
    Promise(
        Phrase("files of the decision log are cut, archived or compressed", "判定日志被截断、移走或压缩"),
        Phrase(
            "reports whose entries are in no log any more are kept under another name, and it is said",
            "日志里已没有的条目所在的报告会改名保留，并给出提示",
        ),
        (
            "record/test_report_rebuild.py::TestLosses::test_a_report_that_says_more_than_the_log_is_kept",
            "record/test_report_rebuild.py::TestLosses::test_a_death_while_old_reports_are_kept_loses_none",
        ),
    ),
    Promise(
        Phrase(
            "millions of decisions are replayed, or reported anew",
            "要重放或重新报告上百万条判定",
        ),
        Phrase(
            "it gives signs of life, says how far it is, files beside a rebuild, and goes on where it was killed",
            "持续报告存活和进度，重建报告时照常归档，被杀死后从中断处继续",
        ),
        (
            "service/test_notify.py::test_a_replay_and_a_rebuild_say_how_far_they_are",
            "service/test_flow.py::test_tasks_are_filed_beside_a_report_that_is_rebuilt",
            "test_recovery.py::test_a_long_replay_goes_on_where_it_was_killed",
            "record/test_report_rebuild.py::test_slices_with_deaths_between_give_the_same_bytes",
        ),
    ),
    Promise(
        Phrase("one wav is hours long", "某个音频长达数小时"),
        Phrase("the others are filed meanwhile", "其他任务照常归档"),
        ("system/test_judging.py::test_long_audio_keeps_nobody_waiting",),
    ),
    Promise(
        Phrase("the disk is full at the very first start", "第一次启动时磁盘就已写满"),
        Phrase("it waits, as it does later", "等待，与运行中写满时一样"),
        (
            "faults/test_start.py::TestAtTheVeryFirstStart::test_it_is_waited_out",
            "faults/test_start.py::TestAtTheVeryFirstStart::test_a_sweep_is_to_be_run_again",
            "faults/test_start.py::test_a_root_that_goes_while_it_is_opened_is_waited_for",
        ),
    ),
    Promise(
        Phrase("one task cannot be moved or read when it starts", "启动时有一个任务无法移动或读取"),
        Phrase("it is told of and tried again; the start goes on", "会提示并重试；启动不受影响"),
        (
            "faults/test_start.py::TestOneTask::test_that_may_not_be_moved_is_told_of_and_tried_again",
            "faults/test_start.py::TestOneTask::test_that_is_a_dead_mount_is_told_of",
        ),
    ),
    Promise(
        Phrase("the root is an rclone mount", "输出目录在 rclone 挂载上"),
        Phrase(
            "with a write cache all works; without one it is refused before anything moves",
            "有写缓存时一切正常；没有写缓存时会在移动任何东西之前拒绝",
        ),
        (
            "faults/test_start.py::TestRclone::test_with_a_cache_all_commands_work",
            "faults/test_start.py::TestRclone::test_without_a_write_cache_it_is_refused_before_anything_moves",
        ),
    ),
    Promise(
        Phrase("a wrong folder is given", "给错了目录"),
        Phrase("it is refused, and nothing is made there", "会被拒绝，且不会在里面新建任何东西"),
        (
            "system/test_wrong_roots.py::test_nothing_is_left_in_a_folder_that_is_no_root",
            "system/test_wrong_roots.py::test_what_a_wrong_start_left_blinds_nobody",
        ),
    ),
    Promise(
        Phrase("a cron job deletes a task, at any step", "定时任务在任意一步删除了某个任务"),
        Phrase("the others are filed; the missing one is told of", "其余照常归档；缺少的会提示"),
        ("faults/test_failing_steps.py::test_a_task_that_is_deleted_at_any_step_is_missed_alone",),
    ),
    Promise(
        Phrase(
            "a stop comes in the middle of a copy to another file system", "跨文件系统复制途中收到停止信号"
        ),
        Phrase("no part of the copy stays; the next run files the task", "不留下半份拷贝；下次运行时归档"),
        ("faults/test_copies.py::test_a_stop_is_heard_in_the_middle_of_a_copy",),
    ),
    Promise(
        Phrase(
            "a directory cannot be renamed: another file system, a lower layer of an overlay, mergerfs, quota projects",
            "目录无法直接重命名：不同的文件系统、overlay 的下层、mergerfs、配额项目",
        ),
        Phrase(
            "it is copied once; the original goes file by file, and only what was copied goes",
            "只复制一次；原件逐个文件删除，只删已复制的内容",
        ),
        (
            "faults/test_unions.py::test_a_task_in_a_lower_layer_is_copied_once",
            "faults/test_unions.py::test_killed_at_each_step_of_a_copy_within_an_overlay_nothing_is_lost_or_doubled",
            "faults/test_unions.py::test_a_task_in_a_lower_layer_of_fuse_overlayfs_is_copied_once",
            "faults/test_unions.py::test_a_task_that_mergerfs_renames_in_part_or_not_at_all_is_copied_once",
            "test_copying.py::test_only_the_recorded_copy_is_ours",
        ),
    ),
    Promise(
        Phrase("a destination's disk or share is not mounted", "归档目录所在的磁盘或共享没有挂载"),
        Phrase(
            "nothing is made or filed below its mount point; it is waited for, and asked after",
            "不会在挂载点下面新建目录或归档；会等待，并提示检查挂载",
        ),
        (
            "test_destinations.py::test_nothing_is_filed_below_a_mount_point",
            "test_destinations.py::test_a_mount_below_the_root_is_waited_for_as_well",
        ),
    ),
    Promise(
        Phrase("two roots file into one folder", "两个输出目录归档到同一个目录"),
        Phrase(
            "neither takes a task of the other for its own, joins files to it, or takes its decision back",
            "不会把对方的任务当作自己的，不会往里并入文件，也不会撤销对方的判定",
        ),
        (
            "test_recovery.py::TestSharedFolder::test_late_files_join_no_task_of_another_root",
            "test_recovery.py::TestSharedFolder::test_nor_one_that_took_the_place_of_ours",
            "test_recovery.py::TestSharedFolder::test_a_restore_of_theirs_takes_no_decision_of_ours_back",
        ),
    ),
    Promise(
        Phrase(
            "a writer pauses, reopens, rewrites, renames or maps its files",
            "写入方中途停顿、重新打开、重写、改名或内存映射文件",
        ),
        Phrase(
            "no move precedes the last write, if the kernel tells who writes or no pause is a quiet time long",
            "只要内核能告知谁在写入，或每次停顿都短于静止时间，就绝不会在最后一次写入之前移动",
        ),
        (
            "faults/test_early.py::test_no_move_precedes_the_last_write",
            "faults/test_early.py::test_where_no_lease_is_given_the_quiet_time_alone_decides",
            "faults/test_early.py::test_a_writer_that_meets_the_lease_waits_for_nothing",
            "faults/test_load.py::test_every_task_is_filed_once_and_none_before_its_last_write",
        ),
    ),
    Promise(
        Phrase(
            "files come after the move, or the WebUI uses the name again",
            "移动之后又来了文件，或者 WebUI 再次使用同一名字",
        ),
        Phrase(
            "they join their task, are a task of their own with a suffix, or stay and are told; never overwritten",
            "放进所属任务、成为带后缀的单独任务，或留在原处并提示；绝不覆盖",
        ),
        (
            "faults/test_early.py::test_what_comes_after_the_move_is_never_lost",
            "faults/test_early.py::test_what_is_written_through_the_directory_goes_with_it",
            "faults/test_early.py::test_a_file_that_comes_while_others_join_is_not_left_behind",
        ),
    ),
    Promise(
        Phrase("a result changes between its decision and its move", "结果在判定之后、移动之前改变"),
        Phrase(
            "a new decision says which it supersedes; the same bytes again change nothing",
            "新的判定会注明取代了哪一个；内容相同则不变",
        ),
        (
            "faults/test_early.py::test_a_result_that_changes_before_its_move_supersedes_its_decision",
            "faults/test_early.py::test_the_very_same_result_written_again_is_not_decided_again",
        ),
    ),
    Promise(
        Phrase(
            "a result is hostile: a symlink, a pipe, a device, 10 GB, a million keys, control characters",
            "结果带有恶意：符号链接、管道、设备、10 GB、上百万个键、控制字符",
        ),
        Phrase(
            "it ends in quarantine with a reason, or is left alone; memory stays under 200 MB and good tasks pass it",
            "送入隔离并写明原因，或不予理会；内存不超过 200 MB，正常任务不受影响",
        ),
        (
            "faults/test_hostile.py::test_each_ends_where_it_must",
            "faults/test_hostile.py::test_what_is_no_task_is_left_alone",
            "faults/test_hostile.py::test_a_good_task_passes_those_that_pend",
            "faults/test_hostile.py::test_memory_stays_small",
            "test_finds.py::test_what_once_broke_an_invariant_holds",
        ),
    ),
    Promise(
        Phrase("something leads out of the root", "有内容指向输出目录之外"),
        Phrase(
            "nothing outside is read or changed, and nothing raw or forged reaches log, report or terminal",
            "外面的内容不会被读取或改动；日志、报告和终端里不会出现未转义或伪造的内容",
        ),
        (
            "faults/test_hostile.py::test_no_secret_comes_in",
            "faults/test_hostile.py::test_nothing_outside_changes",
            "faults/test_hostile.py::test_nothing_raw_comes_out",
            "faults/test_hostile.py::test_no_line_is_forged",
            "faults/test_hostile_places.py::test_a_symlink_that_comes_and_goes_is_never_read",
        ),
    ),
    Promise(
        Phrase(
            "something else stands where emosieve's own files or folders go",
            "emosieve 自己的文件或目录位置上是别的东西",
        ),
        Phrase(
            "it is named with what to do, or done without; never followed",
            "会指出是什么、该怎么办，或者不用它继续工作；绝不跟随",
        ),
        (
            "faults/test_hostile_places.py::test_what_it_cannot_work_with_stops_it_at_once",
            "faults/test_hostile_places.py::test_what_it_can_do_without_is_not_followed",
            "faults/test_hostile_places.py::test_a_status_planted_in_a_shared_place_is_replaced",
            "faults/test_hostile_places.py::test_a_place_of_another_user_is_not_used",
            "faults/test_hostile_places.py::test_a_log_that_ends_in_a_hole_is_gone_on_with",
        ),
    ),
    Promise(
        Phrase(
            "a task is a mount point, may not be read, or is named as a folder of ours",
            "任务是挂载点、不可读取，或与我们的目录同名",
        ),
        Phrase("it stays and is told once; nobody waits for it", "留在原处并提示一次；其他任务不必等它"),
        (
            "faults/test_hostile_places.py::test_a_task_that_is_a_mount_point_stays_and_is_told",
            "faults/test_hostile_places.py::test_a_task_that_may_not_be_read_stays_and_is_told",
            "faults/test_hostile_places.py::test_a_directory_with_the_name_of_a_folder_is_no_task",
        ),
    ),
    Promise(
        Phrase("the kernel loses events", "内核丢失事件"),
        Phrase(
            "one listing finds all; told once per rescan", "一次列目录就能全部找到；每个重扫周期只提示一次"
        ),
        ("faults/test_watching.py::test_an_overflow_costs_one_listing",),
    ),
    Promise(
        Phrase("a limit of inotify is reached", "达到 inotify 上限"),
        Phrase(
            "it polls, names the sysctl and its value once, and goes back to events when it is raised",
            "改用轮询，提示一次 sysctl 及其值；上限调高后恢复监听",
        ),
        (
            "faults/test_watching.py::test_a_limit_is_polled_over_until_it_is_raised",
            "faults/test_watching.py::test_a_limit_that_is_reached_later_is_polled_over",
        ),
    ),
    Promise(
        Phrase(
            "a part of the watch dies: handler, thread or descriptor",
            "监听的某个部分失效：处理函数、线程或描述符",
        ),
        Phrase("all is filed, and one new watch stands in; told once", "照常归档，监听自动重建，只提示一次"),
        ("faults/test_watching.py::test_a_watch_that_dies_is_armed_again",),
    ),
    Promise(
        Phrase(
            "the file system gives no events (FUSE, written from behind)",
            "文件系统不提供事件（FUSE，从背后写入）",
        ),
        Phrase("it polls and says why", "改用轮询并说明原因"),
        (
            "faults/test_watching.py::test_a_file_system_without_events_is_polled",
            "faults/test_watching.py::test_events_that_were_insisted_on_and_never_come_are_given_up",
            "faults/test_watching.py::test_an_overlay_that_is_written_from_below_is_given_up",
        ),
    ),
    Promise(
        Phrase(
            "the root is deleted, made anew, renamed, or becomes a symlink",
            "输出目录被删除、重建、改名，或变成符号链接",
        ),
        Phrase("it is waited for and served again; no restart is needed", "等待后继续工作，无需重启"),
        (
            "faults/test_root.py::test_a_root_that_is_deleted_and_made_anew_is_served",
            "faults/test_root.py::test_a_root_that_is_renamed_away_and_back_is_served_again",
            "faults/test_root.py::test_a_root_that_becomes_a_symlink_is_served_where_it_leads",
        ),
    ),
    Promise(
        Phrase(
            "the root is mounted over or unmounted, or its mount dies",
            "输出目录被挂载遮盖、被卸载，或挂载失效",
        ),
        Phrase("the same", "同上"),
        (
            "faults/test_root.py::test_a_root_that_is_covered_by_a_mount_is_served_on_both",
            "faults/test_root.py::test_an_unmounted_root_is_waited_for",
            "faults/test_root.py::test_a_mount_that_died_is_waited_for",
        ),
    ),
    Promise(
        Phrase("the machine sleeps, or the clock jumps by hours", "机器休眠，或时钟跳变数小时"),
        Phrase(
            "nothing is filed early, late or twice; log and report keep their order",
            "不会提前、推迟或重复归档；日志与报告保持次序",
        ),
        (
            "faults/test_time.py::test_a_jump_files_nothing_early_and_nothing_late",
            "faults/test_time.py::test_a_jump_makes_nothing_overdue_and_takes_nothing_back",
            "faults/test_time.py::test_a_jump_between_decision_and_move_decides_nothing_twice",
            "faults/test_time.py::test_times_that_go_backwards_change_neither_order_nor_report",
            "faults/test_time.py::test_every_day_is_summed_up_whatever_the_clock_did_before",
            "faults/test_time.py::test_every_question_is_answered_by_the_events_own_times",
            "faults/test_watching.py::test_a_machine_that_slept_is_not_deaf",
        ),
    ),
    Promise(
        Phrase(
            "files are of 1970 or of the future, or the writer has another time zone",
            "文件时间是 1970 年或未来，或写入方在另一时区",
        ),
        Phrase("they are filed like all others", "与其他任务一样归档"),
        (
            "faults/test_time.py::test_mtimes_of_any_age_keep_no_task",
            "faults/test_time.py::test_change_times_of_other_ages_settle_all_the_same",
            "faults/test_time.py::test_a_writer_in_another_time_zone_changes_no_decision",
            "faults/test_time.py::test_another_time_zone_between_two_runs_changes_nothing_that_was_logged",
            "faults/test_time.py::test_a_day_on_which_the_clocks_change_has_all_of_its_hours",
        ),
    ),
    Promise(
        Phrase("100 tasks a second, or 10,000 at once", "每秒 100 个任务，或一次 10,000 个"),
        Phrase(
            "each is filed once, and none before its last write", "每个都只归档一次，绝不早于最后一次写入"
        ),
        (
            "faults/test_load.py::test_every_task_is_filed_once_and_none_before_its_last_write",
            "faults/test_load.py::test_ten_thousand_tasks_at_once_are_filed",
        ),
    ),
    Promise(
        Phrase("1,000 tasks never settle", "1,000 个任务一直不完整"),
        Phrase("good ones are filed beside them", "正常任务照常归档"),
        ("faults/test_load.py::test_tasks_that_never_settle_keep_nobody_waiting",),
    ),
    Promise(
        Phrase("it runs for ever", "长期运行"),
        Phrase("its memory does not grow with what it decided", "内存不随判定数量增长"),
        ("faults/test_load.py::test_memory_does_not_grow_with_what_was_decided",),
    ),
    Promise(
        Phrase("a second emosieve is started on the root", "在同一个输出目录上又启动了一个 emosieve"),
        Phrase(
            "it is refused with the host and pid of the first; a dead one keeps nobody away",
            "拒绝启动，并指出前一个的主机和 pid；已死的进程不会挡住后来者",
        ),
        (
            "faults/test_two.py::TestRefusal::test_whatever_the_path",
            "faults/test_two.py::TestRefusal::test_a_sweep_holds_it_as_well",
            "faults/test_two.py::test_of_many_starts_at_one_moment_exactly_one_wins",
            "faults/test_two.py::test_a_root_that_was_made_anew_goes_to_whoever_takes_it",
        ),
    ),
    Promise(
        Phrase("the file system has no locks", "文件系统不支持锁"),
        Phrase("it warns once and goes on", "警告一次，继续工作"),
        ("faults/test_two.py::TestWithoutLocks::test_the_daemon_warns_once_and_goes_on",),
    ),
    Promise(
        Phrase(
            "people restore, reclassify, rebuild and ask beside the busy daemon",
            "守护进程忙碌时，有人改判、重新判定、重建报告、查询",
        ),
        Phrase(
            "each task ends in the place of its last event; report, `stats` and `tail` agree with the log to the line",
            "每个任务都在最后一个事件所说的位置；报告、`stats`、`tail` 与日志逐行一致",
        ),
        ("faults/test_beside.py::test_a_busy_daemon_and_people_do_not_disturb_each_other",),
    ),
    Promise(
        Phrase("SIGTERM or Ctrl-C, at any step", "任意一步收到 SIGTERM 或 Ctrl-C"),
        Phrase(
            "what is logged is filed, the status is 0, nothing is left about; a second signal ends it at once",
            "已写入日志的完成归档，退出码 0，不留残余；第二个信号立即结束",
        ),
        (
            "faults/test_stop.py::TestStop::test_at_each_step",
            "faults/test_stop.py::TestStop::test_a_second_one_at_each_step",
            "faults/test_stop.py::TestStop::test_on_a_full_disk",
            "faults/test_stop.py::TestStop::test_before_it_is_ready",
            "faults/test_stop.py::TestSweep::test_at_each_step",
        ),
    ),
    Promise(
        Phrase("SIGHUP with good or bad settings, at any step", "任意一步收到 SIGHUP，配置正确或有误"),
        Phrase(
            "good ones rule the next decision, bad ones none; no task is decided twice",
            "正确的配置从下一次判定起生效，有误的不生效；没有任务被判定两次",
        ),
        (
            "faults/test_stop.py::TestReload::test_at_each_step",
            "faults/test_stop.py::TestReload::test_hammered_beside_a_busy_daemon",
            "faults/test_stop.py::TestReload::test_settings_that_cannot_be_read",
        ),
    ),
    Promise(
        Phrase("nobody reads its own log", "没有人读取它自己的日志"),
        Phrase("filing and stopping go on", "归档与停止不受影响"),
        ("faults/test_stop.py::TestWithoutAReader::test_filing_and_stopping_go_on",),
    ),
    Promise(
        Phrase("it hangs, or is killed, as a systemd service", "作为 systemd 服务时卡住，或被杀死"),
        Phrase(
            "another one is started, and where it hung stands in the journal",
            "会重新启动，卡在哪里会写进系统日志",
        ),
        (
            "deploy/test_systemd.py::TestRestart::test_a_hung_loop_among_living_threads",
            "deploy/test_systemd.py::TestRestart::test_a_stalled_one",
            "deploy/test_systemd.py::TestRestart::test_a_killed_one",
        ),
    ),
    Promise(
        Phrase(
            "the root is made anew while a sandbox holds the old one", "沙箱里还是旧目录时，输出目录被重建"
        ),
        Phrase("the service starts anew and serves it", "服务会重启并处理新目录"),
        ("deploy/test_systemd.py::TestRoot::test_one_that_is_made_anew_is_served",),
    ),
    Promise(
        Phrase(
            "a disk is unmounted or changed under the sandbox of a systemd service",
            "systemd 服务运行中，磁盘在沙箱外被卸载或更换",
        ),
        Phrase(
            "it says so within seconds, is started anew, and serves what is there, or waits",
            "几秒内给出提示并重启，处理现有的磁盘，或等待",
        ),
        (
            "deploy/test_systemd.py::TestDisk::test_one_that_is_unmounted_is_let_go",
            "deploy/test_systemd.py::TestDisk::test_one_that_is_changed_is_followed",
            "deploy/test_systemd.py::TestDisk::test_that_of_a_destination_is_followed",
        ),
    ),
    Promise(
        Phrase("a person restored a task", "有人做过人工改判"),
        Phrase(
            "it stays so: `reclassify` leaves it alone unless asked",
            "保持不变：`reclassify` 不会改动它，除非明确要求",
        ),
        ("test_revision.py::TestReclassify::test_what_a_person_restored_stays",),
    ),
)
