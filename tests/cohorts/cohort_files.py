"""Small files of a cohort for the tests that read them."""

import gzip

COUNTS = "\ts1\ts2\ts3\ts4\nENSG1\t1\t2\t3\t4\nENSG2\t0\t5\t0\t6\nENSG3\t7\t0\t8\t0\n"
SHEET = "sample\tage\tdisease\ns2\t50\tsick\ns1\t60\tsick\ns4\t\twell\ns3\t70\twell\ns9\t1\twell\n"


def text_file(path, content):
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(content.encode()))
    else:
        path.write_text(content)
    return path
