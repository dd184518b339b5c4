# Two buckets: what the machines read (data), and what they write (checkpoints).
locals {
  buckets = toset(["checkpoints", "data"])
}

data "aws_caller_identity" "current" {}

resource "aws_s3_bucket" "all" {
  # checkov:skip=CKV_AWS_18: nobody would read the log of each checkpoint
  # checkov:skip=CKV_AWS_144: a checkpoint can be trained again
  # checkov:skip=CKV_AWS_145: S3's own keys, for the reason of the ledger's
  # checkov:skip=CKV2_AWS_62: nothing waits for events
  for_each = local.buckets

  # With the account: names of buckets are the world's.
  bucket        = "${var.name}-${each.key}-${data.aws_caller_identity.current.account_id}-${var.region}"
  force_destroy = !var.keep_data
}

resource "aws_s3_bucket_public_access_block" "all" {
  for_each = local.buckets

  bucket                  = aws_s3_bucket.all[each.key].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "all" {
  for_each = local.buckets

  bucket = aws_s3_bucket.all[each.key].id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_versioning" "all" {
  for_each = local.buckets

  bucket = aws_s3_bucket.all[each.key].id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "all" {
  for_each = local.buckets

  bucket = aws_s3_bucket.all[each.key].id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "all" {
  for_each = local.buckets

  bucket = aws_s3_bucket.all[each.key].id

  rule {
    id     = "what nobody reads again"
    status = "Enabled"

    filter {}

    # A machine that vanished in the middle of an upload.
    abort_incomplete_multipart_upload {
      days_after_initiation = 2
    }

    # Training deletes old checkpoints itself; their versions wait here for second thoughts.
    noncurrent_version_expiration {
      noncurrent_days = 14
    }

    expiration {
      expired_object_delete_marker = true
    }
  }

  depends_on = [aws_s3_bucket_versioning.all]
}

data "aws_iam_policy_document" "tls_only" {
  for_each = local.buckets

  statement {
    sid     = "TlsOnly"
    effect  = "Deny"
    actions = ["s3:*"]
    resources = [
      aws_s3_bucket.all[each.key].arn,
      "${aws_s3_bucket.all[each.key].arn}/*",
    ]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_s3_bucket_policy" "all" {
  for_each = local.buckets

  bucket = aws_s3_bucket.all[each.key].id
  policy = data.aws_iam_policy_document.tls_only[each.key].json

  depends_on = [aws_s3_bucket_public_access_block.all]
}
