"""A Master of the Python package pylm, at the ports of its examples: `pylm-worker` serves it as it serves a `pylmd`.

    python master.py
    pylm-worker --db tcp://127.0.0.1:5559 --plugin parallel --name worker1
"""

from pylm.servers import Master


def main():
    Master(
        name="server",
        pull_address="tcp://127.0.0.1:5555",
        pub_address="tcp://127.0.0.1:5556",
        worker_pull_address="tcp://127.0.0.1:5557",
        worker_push_address="tcp://127.0.0.1:5558",
        db_address="tcp://127.0.0.1:5559",
    ).start()


if __name__ == "__main__":
    main()
