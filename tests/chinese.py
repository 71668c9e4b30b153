"""Chinese meanings for the tables of README.zh-CN.md, where the code itself speaks English alone.

``tests/test_docs.py`` keeps each table complete: no key missing, none too many.
"""

HEADS = {
    "setting": "配置项",
    "default": "默认值",
    "meaning": "含义",
    "rule": "规则",
    "action": "动作",
    "written": "写法",
    "fires when": "何时命中",
    "field": "字段",
    "unit": "单位",
    "range": "范围",
    "from": "来自",
    "what emosieve says": "emosieve 的提示",
    "event": "事件",
    "command": "命令",
    "what it does": "作用",
    "status": "退出码",
    "whatever happens": "无论发生什么",
    "emosieve promises": "emosieve 保证",
    "shown by": "由哪个测试证明",
}
"""Heads of columns, by the English head."""

ACTIONS = {"reject": "剔除", "flag": "标记", "off": "关闭", "auto": "自动"}
ORIGINS = {
    "result": "result.json",
    "files": "文件名",
    "header": "wav 文件头",
    "samples": "wav 采样点",
    "settling": "等待写完时",
}
TEXT = "文本"

SETTINGS = {
    "root": "WebUI 的输出目录；没有默认值",
    "profile": "使用哪个预设的阈值和动作",
    "language": "回答、错误信息和质量报告的语言",
    "timezone": "时区名（如 Asia/Shanghai）或 local：判定日志的时区偏移、质量报告的日期",
    "watch.mode": "auto：文件系统有事件就用事件，否则轮询；native：只用事件；polling：只轮询",
    "watch.rescan_seconds": "没有事件时，每隔多少秒列一次输出目录",
    "watch.task_glob": "输出目录下哪些目录算任务",
    "settle.quiet_seconds": "任务里的文件要静止多少秒才处理",
    "settle.give_up_seconds": "最后一次改动之后最多等待多少秒：到时结果仍无法解析就隔离",
    "settle.require": "必须有的文件；有 result_frame.json 即视为有 result.json",
    "results.emotion_keys": "result.json 里主情感的其他键名，与文件中的写法完全一致",
    "results.confidence_keys": "result.json 里主情感置信度的其他键名，与文件中的写法完全一致",
    "results.score_keys": "result.json 里情感得分的其他键名，与文件中的写法完全一致",
    "rules.min_confidence": "0-1 的比例；主情感置信度低于它：low_confidence",
    "rules.min_gap": "0-1 的比例；前两名得分的差距小于它：ambiguous",
    "rules.min_top": "0-1 的比例；所有得分都低于它：no_dominant_emotion",
    "rules.min_duration": "秒；音频短于它：too_short",
    "rules.max_silence": "0-1 的比例；没有语音的部分超过它：mostly_silence",
    "rules.min_snr": "dB；信噪比低于它：noisy",
    "rules.max_clipping": "0-1 的比例；达到上限的采样点超过它：clipped",
    "rules.actions.RULE": "按规则（内置或自定义）：reject 剔除、flag 标记或 off 关闭；audio_missing 可用 auto",
    "[[rules.custom]] name": "规则在日志和报告中的名字：小写字母、数字和 _",
    "[[rules.custom]] when": "何时命中：用规则语言比较各字段",
    "[[rules.custom]] action": "命中后：reject 剔除、flag 标记或 off 关闭",
    "[[rules.custom]] message": "命中时的说明，用 {字段} 表示数值；留空则列出成立的比较",
    "[[rules.custom]] on_missing": "任务缺少规则所需的内容时：ignore 忽略，或 flag 标记",
    "profiles.NAME.min_confidence": "0-1 的比例",
    "profiles.NAME.min_gap": "0-1 的比例",
    "profiles.NAME.min_top": "0-1 的比例",
    "profiles.NAME.min_duration": "秒",
    "profiles.NAME.max_silence": "0-1 的比例",
    "profiles.NAME.min_snr": "分贝（dB）",
    "profiles.NAME.max_clipping": "0-1 的比例",
    "profiles.NAME.actions.RULE": "按规则（内置或自定义）：reject 剔除、flag 标记或 off 关闭；audio_missing 可用 auto",
    "filing.normal": "存放正常任务的目录",
    "filing.low_quality": "存放低质量任务的目录",
    "filing.quarantine": "存放结果始终无法读取的任务的目录",
    "decisions.rotate_bytes": "decisions.jsonl 达到多少字节后轮转；轮转出的文件永久保留",
    "decisions.sync": "batch：每批一次 fdatasync；always：每行一次；never：从不（断电可能丢失判定）",
    "report.rotate_bytes": "quality_report.txt 达到多少字节后轮转",
    "report.keep": "保留几份轮转出的报告；0 表示全部保留",
    "log.format": "auto：终端上用易读格式，其他情况用 JSON",
    "log.level": "显示的最低级别",
    "metrics.listen": "提供 /metrics 的地址和端口，例如 127.0.0.1:9464 或 [::1]:9464；留空则不开启",
}

COMMANDS = {
    "watch": "一直监视输出目录：WebUI 每写完一个任务，就判定、归档并写入质量报告。",
    "sweep": "把输出目录里现有的任务从旧到新处理一遍，然后退出。",
    "explain": "逐条规则说明一个任务为何这样判定，或者还在等什么。",
    "tail": "查看最近的判定；加 -f 持续跟踪新的判定。",
    "status": "查看 emosieve 是否在运行、在等什么、各处有多少任务。",
    "health": "供健康检查使用：一行说明 emosieve 是否正常工作，退出码 0 为正常，1 为异常。",
    "stats": "按情感、日期、规则统计保留与剔除的结果，并试算其他规则的效果。",
    "check": "检查 emosieve 能否在某个输出目录上运行，不能时说明怎么办；不写入任何内容。",
    "restore": "人工改判：把已归档的任务移到另一侧；已隔离的移回去重新判定。",
    "reclassify": "按当前规则重新判定全部已归档的任务，并移动判定有变的任务。",
    "demo": "用 15 秒演示主要功能：模拟的 WebUI，真实的守护进程，以及它的判定和质量报告。",
    "config show": "列出每项配置的实际取值和来源。",
    "config schema": "输出配置文件的 JSON Schema。",
    "report rebuild": "根据判定日志重新生成 quality_report.txt。",
}
"""By the command's name, as the first line of its help."""
