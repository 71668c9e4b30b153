"""Recognitions on a real Gradio, at a chosen concurrency, by a handler that writes as the WebUI's does.

Run as a program, by a Python that has gradio: it says on stdout, as JSON, which directory each recognition
wrote to, and which of them failed in the page.
"""

import json
import os
import random
import sys
import threading
import time
from typing import Any

import gradio  # type: ignore[import-not-found,unused-ignore]
from gradio_client import Client  # type: ignore[import-not-found,unused-ignore]

from emosieve.commands.simulated_webui import Recognition, scores_for, write_task

SCORES = scores_for("happy", 0.853, "sad", 0.1)


def main(root: str, concurrency: int, count: int, pause: float) -> dict[str, Any]:
    """Recognise so many clips, one more at a time than the queue lets through.

    Args:
        root: the outputs folder.
        concurrency: of the queue.
        count: of clips.
        pause: most seconds before a user asks for the next clip.
    """
    written: list[tuple[str, int]] = []
    failed: list[str] = []

    def recognise(seconds: float, infer: float, embedding: bool) -> list[str]:  # noqa: FBT001 - Gradio's call
        directory = f"{root}/outputs_{time.strftime('%Y%m%d_%H%M%S')}"
        recognition = Recognition(SCORES, seconds, embedding)
        write_task(directory, recognition, lambda: time.sleep(infer), lambda: None)
        written.append((os.path.basename(directory), os.stat(directory).st_ino))
        return [f"{directory}/result.json"] + [f"{directory}/embedding.npy"] * embedding

    def use_the_page(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(seed, count, concurrency + 1):
            time.sleep(chance.uniform(0, pause))
            clip = (chance.uniform(0.5, 6), chance.uniform(0.15, 0.9), chance.random() < 0.5)
            try:
                client.predict(*clip, api_name="/recognise")
            except Exception as error:  # noqa: BLE001 - whatever the user is shown
                failed.append(repr(error))

    with gradio.Blocks() as page:
        inputs = [gradio.Number(), gradio.Number(), gradio.Checkbox()]
        outputs = gradio.File(file_count="multiple")
        gradio.Button().click(recognise, inputs, outputs, api_name="recognise", concurrency_limit=concurrency)
    _, url, _ = page.queue().launch(prevent_thread_lock=True, quiet=True, allowed_paths=[root])
    client = Client(url, verbose=False)
    users = [threading.Thread(target=use_the_page, args=(seed,)) for seed in range(concurrency + 1)]
    for user in users:
        user.start()
    for user in users:
        user.join()
    page.close(verbose=False)
    return {"written": written, "failed": failed}


if __name__ == "__main__":
    told = main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
    sys.stdout.write(json.dumps(told))
    sys.stdout.flush()
    os._exit(0)  # Gradio's own threads need not be waited for
